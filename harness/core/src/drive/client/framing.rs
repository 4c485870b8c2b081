//! Finds the end of one HTTP/1.1 response in a stream of bytes. The end of the body follows from its length, from its
//! last chunk, or from the end of the connection. There is no I/O here: the caller passes the bytes read so far. Chunks
//! are joined in place, without a second buffer.

use std::ops::Range;

/// Maximum length of a response head, in bytes.
const MAX_HEAD: usize = 32 << 10;
/// Maximum number of header fields.
const MAX_FIELDS: usize = 64;
/// Maximum length of a line with the size of a chunk, or of a trailer field, in bytes.
const MAX_CHUNK_LINE: usize = 4 << 10;

/// A complete response: the positions of its parts in the read buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) head: Range<usize>,
    pub(super) body: Range<usize>,
    /// True if the body is `text/event-stream`.
    pub(super) events: bool,
    /// True if the connection may carry another request.
    pub(super) reusable: bool,
    /// True if the response was in an event stream that the server has not ended.
    pub(super) open: bool,
}

/// The parser of one response. It keeps its progress from one read to the next.
#[derive(Debug, Default)]
pub(super) struct Frame {
    body: Body,
    head: Range<usize>,
    start: usize,
    status: u16,
    events: bool,
    keep: bool,
}

#[derive(Debug, Default)]
enum Body {
    /// The head is not complete.
    #[default]
    Head,
    /// The body ends at this position of the buffer.
    Until(usize),
    /// The body ends when the server closes the connection.
    UntilClose,
    /// The body is chunked. Bytes before `joined` are the joined data; bytes from `next` on are not parsed yet.
    Chunks { joined: usize, next: usize, left: Chunk },
}

#[derive(Debug, Clone, Copy)]
enum Chunk {
    /// A line with the size comes next.
    Size,
    /// This number of data bytes is still to come.
    Data(usize),
    /// The line end after the data comes next.
    DataEnd,
    /// Trailer fields until an empty line.
    Trailer,
}

impl Frame {
    /// Parses the bytes read so far. Returns the response when it is complete, and `None` before that. Fails with the reason if the bytes are
    /// not HTTP/1.1.
    pub(super) fn advance(&mut self, buffer: &mut [u8]) -> Result<Option<Received>, &'static str> {
        if matches!(self.body, Body::Head) && !self.head(buffer)? {
            return Ok(None);
        }
        match &mut self.body {
            Body::Head | Body::UntilClose => Ok(None),
            Body::Until(end) if buffer.len() < *end => Ok(None),
            Body::Until(end) => {
                // Bytes after the response belong to no request; on a kept connection the next call would read them as its reply.
                let (end, reusable) = (*end, self.keep && buffer.len() == *end);
                Ok(Some(self.received(end, reusable)))
            }
            Body::Chunks { joined, next, left } => {
                let Some(end) = join_chunks(buffer, joined, next, left)? else { return Ok(None) };
                let reusable = self.keep && *next == buffer.len();
                Ok(Some(self.received(end, reusable)))
            }
        }
    }

    /// Handles the end of the connection. Returns the response if its body ends that way, and `None` if bytes are missing.
    pub(super) fn end(&mut self, buffer: &mut [u8]) -> Result<Option<Received>, &'static str> {
        match self.body {
            Body::UntilClose => Ok(Some(self.received(buffer.len(), false))),
            Body::Head | Body::Until(_) | Body::Chunks { .. } => Ok(None),
        }
    }

    fn received(&self, end: usize, reusable: bool) -> Received {
        let head = self.head.clone();
        Received { status: self.status, head, body: self.start..end, events: self.events, reusable, open: false }
    }

    /// Returns the part of an event stream that has arrived in `length` bytes and is not yet complete; `None` if the body is of another type.
    pub(super) fn events_so_far(&self, length: usize) -> Option<Range<usize>> {
        if !self.events {
            return None;
        }
        match self.body {
            Body::Head => None,
            Body::Until(_) | Body::UntilClose => Some(self.start..length),
            Body::Chunks { joined, .. } => Some(self.start..joined),
        }
    }

    /// Returns the response if its event stream ends for the client at this position, while the server leaves it open.
    pub(super) fn cut(&self, end: usize) -> Received {
        Received { open: true, ..self.received(end, false) }
    }

    /// Returns the position of the head; empty before it has arrived.
    pub(super) fn head_range(&self) -> Range<usize> {
        self.head.clone()
    }

    /// Returns true if the end of the body leaves the connection usable.
    pub(super) const fn keeps(&self) -> bool {
        self.keep && !matches!(self.body, Body::UntilClose)
    }

    /// Parses the head, and skips informational (1xx) responses before it. Returns false if the head is incomplete.
    fn head(&mut self, buffer: &[u8]) -> Result<bool, &'static str> {
        loop {
            // `httparse` keeps no state, so an incomplete head is parsed again from its start. `MAX_HEAD` bounds the
            // cost.
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut response = httparse::Response::new(&mut fields);
            let length = match response.parse(&buffer[self.start..]) {
                // The same bound as for a head that is not complete, so that a reply does not depend on how its bytes arrive.
                Ok(httparse::Status::Complete(length)) if length > MAX_HEAD + 1 => {
                    return Err("a head that is too long");
                }
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if buffer.len() - self.start > MAX_HEAD => {
                    return Err("a head that is too long");
                }
                Ok(httparse::Status::Partial) => return Ok(false),
                Err(httparse::Error::TooManyHeaders) => return Err("too many header fields"),
                Err(_) => return Err("a head that is not HTTP/1.1"),
            };
            self.head = self.start..self.start + length;
            self.start += length;
            self.status = response.code.unwrap_or_default();
            if (100..200).contains(&self.status) {
                continue;
            }
            // HTTP/1.0 closes the connection by default.
            self.keep = response.version == Some(1);
            self.body = self.framing(response.headers)?;
            return Ok(true);
        }
    }

    /// Determines where the body ends (RFC 9112 section 6.3, for a response to POST).
    fn framing(&mut self, fields: &[httparse::Header<'_>]) -> Result<Body, &'static str> {
        let (mut length, mut chunked) = (None, false);
        for field in fields {
            let value = field.value.trim_ascii();
            if field.name.eq_ignore_ascii_case("content-length") {
                // `parse` alone would accept `+11`.
                let value =
                    std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                let value: usize =
                    value.and_then(|text| text.parse().ok()).ok_or("a content-length that is not a number")?;
                // A repeated field with the same value is valid (RFC 9112 section 6.3).
                if length.is_some_and(|earlier| earlier != value) {
                    return Err("two content-lengths that differ");
                }
                length = Some(value);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err("a transfer-encoding other than chunked");
                }
                chunked = true;
            } else if field.name.eq_ignore_ascii_case("content-encoding") {
                // The request has no `accept-encoding`, so an encoded body is a fault of the service.
                return Err("a content-encoding that was not requested");
            } else if field.name.eq_ignore_ascii_case("content-type") {
                const EVENTS: &[u8] = b"text/event-stream";
                self.events = value.len() >= EVENTS.len() && value[..EVENTS.len()].eq_ignore_ascii_case(EVENTS);
            } else if field.name.eq_ignore_ascii_case("connection") {
                self.keep &= !value.eq_ignore_ascii_case(b"close");
            }
        }
        Ok(match length {
            _ if matches!(self.status, 204 | 304) => Body::Until(self.start),
            // Before the length, because a transfer encoding overrides it (RFC 9112 section 6.3).
            _ if chunked => Body::Chunks { joined: self.start, next: self.start, left: Chunk::Size },
            Some(length) => Body::Until(self.start.checked_add(length).ok_or("a content-length that is too large")?),
            None => Body::UntilClose,
        })
    }
}

/// Parses a complete head again and returns its fields, with names in lower case. Only [`super::Client::ask`] needs them.
pub(super) fn fields(head: &[u8]) -> Vec<(String, String)> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    if response.parse(head).is_err() {
        return Vec::new();
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    response.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect()
}

/// Moves the data of complete chunks to `joined`. Returns the end of the body once the last chunk and the trailer are complete.
fn join_chunks(
    buffer: &mut [u8],
    joined: &mut usize,
    next: &mut usize,
    left: &mut Chunk,
) -> Result<Option<usize>, &'static str> {
    loop {
        match *left {
            Chunk::Size => {
                let Some(line) = line(buffer, *next)? else { return Ok(None) };
                let size = chunk_size(&buffer[line.clone()])?;
                *next = line.end + 2;
                *left = if size == 0 { Chunk::Trailer } else { Chunk::Data(size) };
            }
            Chunk::Data(missing) => {
                let here = missing.min(buffer.len() - *next);
                buffer.copy_within(*next..*next + here, *joined);
                *joined += here;
                *next += here;
                if here < missing {
                    *left = Chunk::Data(missing - here);
                    return Ok(None);
                }
                *left = Chunk::DataEnd;
            }
            Chunk::DataEnd => {
                let Some(line) = line(buffer, *next)? else { return Ok(None) };
                if !line.is_empty() {
                    return Err("a chunk longer than announced");
                }
                *next = line.end + 2;
                *left = Chunk::Size;
            }
            Chunk::Trailer => {
                let Some(line) = line(buffer, *next)? else { return Ok(None) };
                *next = line.end + 2;
                if line.is_empty() {
                    return Ok(Some(*joined));
                }
            }
        }
    }
}

/// Returns the next line without its CRLF; `None` if it is not complete.
fn line(buffer: &[u8], from: usize) -> Result<Option<Range<usize>>, &'static str> {
    match buffer[from..].windows(2).position(|pair| pair == b"\r\n") {
        // As for a line that is not complete.
        Some(length) if length >= MAX_CHUNK_LINE => Err("a chunk line that is too long"),
        Some(length) => Ok(Some(from..from + length)),
        None if buffer.len() - from > MAX_CHUNK_LINE => Err("a chunk line that is too long"),
        None => Ok(None),
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, &'static str> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    // `from_str_radix` alone would accept `+5`.
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|text| usize::from_str_radix(text, 16).ok())
        .ok_or("a chunk size that is not a hexadecimal number")
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::{Frame, Received};

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 11\r\n\r\nhello world";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
        transfer-encoding: Chunked\r\n\r\n5;x=1\r\nhello\r\n1\r\n \r\n00005\r\nworld\r\n0\r\nafter: all\r\n\r\n";

    fn whole(bytes: &[u8]) -> Result<Option<(Received, Vec<u8>)>, &'static str> {
        in_two(bytes, bytes.len())
    }

    fn in_two(bytes: &[u8], split: usize) -> Result<Option<(Received, Vec<u8>)>, &'static str> {
        let mut frame = Frame::default();
        let mut buffer = bytes[..split].to_vec();
        let early = if split > 0 { frame.advance(&mut buffer)? } else { None };
        assert!(early.is_none() || split == bytes.len(), "complete before the last byte at {split}");
        buffer.extend_from_slice(&bytes[split..]);
        let received = match early {
            None if split < bytes.len() => frame.advance(&mut buffer)?,
            other => other,
        };
        Ok(received.map(|received| (received.clone(), buffer[received.body].to_vec())))
    }

    #[test]
    fn a_reply_split_at_every_byte_is_the_same_reply() {
        for bytes in [PLAIN, CHUNKED] {
            for split in 0..bytes.len() {
                let (received, body) = in_two(bytes, split).unwrap().expect("complete");
                assert_eq!((received.status, body.as_slice(), received.reusable), (200, &b"hello world"[..], true));
                assert_eq!(received.events, bytes == CHUNKED);
            }
        }
    }

    #[test]
    fn a_reply_byte_by_byte_is_the_same_reply() {
        let mut frame = Frame::default();
        let mut buffer = Vec::new();
        for (at, byte) in CHUNKED.iter().enumerate() {
            buffer.push(*byte);
            let received = frame.advance(&mut buffer).unwrap();
            assert_eq!(received.is_some(), at + 1 == CHUNKED.len());
            if let Some(received) = received {
                assert_eq!(&buffer[received.body], b"hello world");
            }
        }
    }

    #[test]
    fn a_connection_is_kept_alive_only_if_http_permits_it() {
        for (bytes, reusable) in [
            (&b"HTTP/1.1 204 No Content\r\n\r\n"[..], true),
            (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", false),
            (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nmore", false),
        ] {
            assert_eq!(whole(bytes).unwrap().expect("complete").0.reusable, reusable);
        }
    }

    #[test]
    fn a_reply_without_length_ends_with_the_connection() {
        let mut frame = Frame::default();
        let mut buffer = b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec();
        assert_eq!(frame.advance(&mut buffer), Ok(None));
        let received = frame.end(&mut buffer).unwrap().expect("complete");
        assert_eq!((&buffer[received.body], received.reusable), (&b"hello"[..], false));
    }

    #[test]
    fn a_reply_cut_short_is_not_complete() {
        for bytes in [&PLAIN[..PLAIN.len() - 1], &CHUNKED[..CHUNKED.len() - 1], b"HTTP/1.1 20"] {
            let mut frame = Frame::default();
            let mut buffer = bytes.to_vec();
            assert_eq!(frame.advance(&mut buffer), Ok(None));
            assert_eq!(frame.end(&mut buffer), Ok(None));
        }
    }

    #[test]
    fn what_is_not_http_is_refused_with_a_reason() {
        let long = [&b"HTTP/1.1 200 OK\r\nx: "[..], &[b'a'; 40 << 10]].concat();
        for (bytes, why) in [
            (&b"SSH-2.0-OpenSSH\r\n\r\n"[..], "a head that is not HTTP/1.1"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "a content-length that is not a number"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "two content-lengths that differ"),
            (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", "a content-encoding that was not requested"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", "a transfer-encoding other than chunked"),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
                "a chunk size that is not a hexadecimal number",
            ),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", "a chunk longer than announced"),
            (&long, "a head that is too long"),
        ] {
            assert_eq!(whole(bytes), Err(why));
        }
    }
}
