//! Follows the HTTP messages of one direction: their heads, and their bodies with a length or in chunks. The bytes may arrive in pieces of any
//! size. At most one head is buffered. Once the bytes cannot be followed, every later step is [`HttpStep::Foreign`].

use super::head::{Head, Length, ParseOptions, ParsedHead, StartLine, parse_reply, parse_request};

/// Maximum size of a head. A longer one is not followed.
pub(crate) const MAX_HEAD_BYTES: usize = 64 << 10;
/// Maximum length of a line with the size of a chunk, or with a trailer field.
const MAX_LINE_BYTES: usize = 8 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Requests,
    Replies,
}

/// The meaning of the bytes that a step consumed from the beginning of its input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HttpStep {
    /// Part of a head, or framing between chunks.
    Framing,
    /// The end of a head. If `ends` is true, the message has no content and is complete.
    Head { head: Head, ends: bool },
    /// The last `data` bytes are content. If `ends` is true, the message is complete.
    Content { data: usize, ends: bool },
    /// The end of a message after its content.
    End,
    /// Bytes that cannot be followed.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Fixed(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilEnd,
    Foreign,
}

#[derive(Debug)]
pub(crate) struct Framer {
    kind: MessageKind,
    state: State,
    /// The incomplete head or line.
    buffer: Vec<u8>,
    foreign_reason: Option<&'static str>,
}

impl Framer {
    pub(crate) const fn new(kind: MessageKind) -> Self {
        Self { kind, state: State::Head, buffer: Vec::new(), foreign_reason: None }
    }

    /// Returns why the bytes cannot be followed; `None` if they can.
    pub(crate) const fn foreign_reason(&self) -> Option<&'static str> {
        self.foreign_reason
    }

    /// Returns true if no message is incomplete.
    pub(crate) fn between_messages(&self) -> bool {
        self.state == State::Head && self.buffer.is_empty()
    }

    fn give_up(&mut self, why: &'static str) {
        self.state = State::Foreign;
        self.buffer = Vec::new();
        // The first reason is the cause; later ones follow from it.
        self.foreign_reason.get_or_insert(why);
    }

    /// Returns true if the end of the connection completes a message.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.state == State::UntilEnd
    }

    /// Takes one step through `input`, which must not be empty. Returns the number of consumed bytes, at least 1, and their meaning.
    pub(crate) fn step(&mut self, input: &[u8], options: ParseOptions) -> (usize, HttpStep) {
        match self.state {
            State::Head => self.head(input, options),
            State::Fixed(remaining) => {
                let (taken, remaining) = consume(input, remaining);
                self.state = if remaining == 0 { State::Head } else { State::Fixed(remaining) };
                (taken, HttpStep::Content { data: taken, ends: remaining == 0 })
            }
            State::Chunk(remaining) => {
                let (taken, remaining) = consume(input, remaining);
                self.state = if remaining == 0 { State::ChunkEnd } else { State::Chunk(remaining) };
                (taken, HttpStep::Content { data: taken, ends: false })
            }
            State::ChunkSize | State::ChunkEnd | State::Trailer => self.line(input),
            State::UntilEnd => (input.len(), HttpStep::Content { data: input.len(), ends: false }),
            State::Foreign => (input.len(), HttpStep::Foreign),
        }
    }

    fn head(&mut self, input: &[u8], options: ParseOptions) -> (usize, HttpStep) {
        let before = self.buffer.len();
        let room = MAX_HEAD_BYTES.saturating_sub(before).min(input.len());
        if before > 0 {
            self.buffer.extend_from_slice(&input[..room]);
            // Only a line end can complete a head. Without this check, a head that arrives byte by byte is parsed for each byte.
            if !input.contains(&b'\n') && room == input.len() {
                return (room, HttpStep::Framing);
            }
        }
        // Most heads arrive whole and are parsed in place, without a copy.
        let bytes = if before > 0 { self.buffer.as_slice() } else { &input[..room] };
        let length = bytes.len();
        let tried = match self.kind {
            MessageKind::Requests => parse_request(bytes, options),
            MessageKind::Replies => parse_reply(bytes, options),
        };
        match tried {
            ParsedHead::Partial if length < MAX_HEAD_BYTES => {
                if before == 0 {
                    self.buffer.extend_from_slice(input);
                }
                (room, HttpStep::Framing)
            }
            ParsedHead::Partial => self.foreign(input.len(), "a head that is too long"),
            ParsedHead::Foreign(why) => self.foreign(input.len(), why),
            ParsedHead::Whole(head, size) => {
                self.buffer.clear();
                let ends = self.enter_body(&head);
                // The bytes before were not a whole head, so it ends at least one byte after them.
                (size.saturating_sub(before).max(1), HttpStep::Head { head, ends })
            }
        }
    }

    /// Sets the state after a head. Returns true if the message ends with it.
    fn enter_body(&mut self, head: &Head) -> bool {
        self.state = match head.length {
            Length::Fixed(0) => State::Head,
            Length::Fixed(length) => State::Fixed(length),
            Length::Chunked => State::ChunkSize,
            Length::UntilEnd => State::UntilEnd,
            Length::Switched => {
                self.give_up("another protocol follows");
                State::Foreign
            }
        };
        // A reply with a status of 1xx is followed by the final reply of the same request.
        let interim = matches!(head.line, StartLine::Reply { status: 100..=199 });
        head.length == Length::Fixed(0) && !interim
    }

    fn line(&mut self, input: &[u8]) -> (usize, HttpStep) {
        let end = input.iter().position(|byte| *byte == b'\n').map_or(input.len(), |at| at + 1);
        let whole = end > 0 && input[end - 1] == b'\n';
        self.buffer.extend_from_slice(&input[..end]);
        if self.buffer.len() > MAX_LINE_BYTES {
            return self.foreign(input.len(), "a chunk line that is too long");
        }
        if !whole {
            return (end, HttpStep::Framing);
        }
        let line = std::mem::take(&mut self.buffer);
        let line = line.trim_ascii();
        let next = match self.state {
            State::ChunkSize => match chunk_size(line) {
                Some(0) => Some(State::Trailer),
                Some(size) => Some(State::Chunk(size)),
                None => None,
            },
            State::ChunkEnd => line.is_empty().then_some(State::ChunkSize),
            State::Trailer if line.is_empty() => {
                self.state = State::Head;
                return (end, HttpStep::End);
            }
            State::Trailer => Some(State::Trailer),
            State::Head | State::Fixed(_) | State::Chunk(_) | State::UntilEnd | State::Foreign => None,
        };
        match next {
            Some(state) => {
                self.state = state;
                (end, HttpStep::Framing)
            }
            None => self.foreign(input.len(), "an invalid chunk"),
        }
    }

    fn foreign(&mut self, taken: usize, why: &'static str) -> (usize, HttpStep) {
        self.give_up(why);
        (taken, HttpStep::Foreign)
    }
}

fn consume(input: &[u8], remaining: u64) -> (usize, u64) {
    let taken = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len());
    (taken, remaining - taken as u64)
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    // Extensions follow after `;` (RFC 9112 section 7.1.1).
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    // `from_str_radix` alone would also accept a sign.
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the first line and the content of every message in `pieces`.
    fn follow(kind: MessageKind, pieces: &[&[u8]]) -> (Vec<(StartLine, Vec<u8>)>, Option<&'static str>) {
        let mut framer = Framer::new(kind);
        let mut messages = Vec::new();
        let mut current: Option<(StartLine, Vec<u8>)> = None;
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, step) = framer.step(rest, ParseOptions::default());
                assert!(taken > 0 && taken <= rest.len());
                let ends = match step {
                    HttpStep::Head { head, ends } => {
                        current = Some((head.line, Vec::new()));
                        ends
                    }
                    HttpStep::Content { data, ends } => {
                        let content = &rest[taken - data..taken];
                        current.as_mut().unwrap().1.extend_from_slice(content);
                        ends
                    }
                    HttpStep::End => true,
                    HttpStep::Framing | HttpStep::Foreign => false,
                };
                if ends {
                    messages.extend(current.take());
                }
                rest = &rest[taken..];
            }
        }
        (messages, framer.foreign_reason())
    }

    const REQUESTS: &[u8] = b"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET /x HTTP/1.1\r\n\r\n\
        POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\nGET /y HTTP/1.1\r\n\r\n";

    #[test]
    fn pipelined_requests_with_lengths_and_chunks_are_separated() {
        let (messages, foreign) = follow(MessageKind::Requests, &[REQUESTS]);
        let line = |method: &str, path: &str| StartLine::Request { method: method.into(), path: path.into() };
        assert_eq!(
            messages,
            [
                (line("POST", "/mcp"), b"hello".to_vec()),
                (line("GET", "/x"), Vec::new()),
                (line("POST", "/c"), b"abc0123456789".to_vec()),
                (line("GET", "/y"), Vec::new()),
            ]
        );
        assert_eq!(foreign, None);
    }

    #[test]
    fn an_interim_reply_does_not_end_the_exchange() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (messages, _) = follow(MessageKind::Replies, &[bytes]);
        assert_eq!(messages, [(StartLine::Reply { status: 200 }, b"ok".to_vec())]);
    }

    #[test]
    fn endless_heads_and_lines_cannot_be_followed() {
        let head = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'y'; MAX_HEAD_BYTES]].concat();
        assert_eq!(follow(MessageKind::Requests, &[&head]).1, Some("a head that is too long"));
        let mut chunk = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;".to_vec();
        chunk.extend(vec![b'y'; MAX_LINE_BYTES]);
        assert_eq!(follow(MessageKind::Requests, &[&chunk]).1, Some("a chunk line that is too long"));
        let wrong = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        assert_eq!(follow(MessageKind::Requests, &[wrong]).1, Some("an invalid chunk"));
    }

    proptest! {
        #[test]
        fn messages_do_not_depend_on_the_pieces_in_which_bytes_arrive(cuts in proptest::collection::vec(1..40_usize, 0..60)) {
            let mut pieces = Vec::new();
            let mut rest = REQUESTS;
            for cut in cuts {
                let (piece, remainder) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = remainder;
            }
            pieces.push(rest);
            prop_assert_eq!(follow(MessageKind::Requests, &pieces), follow(MessageKind::Requests, &[REQUESTS]));
        }

        #[test]
        fn no_input_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in [MessageKind::Requests, MessageKind::Replies] {
                follow(kind, &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &bytes]);
                follow(kind, &[&bytes]);
            }
        }
    }
}
