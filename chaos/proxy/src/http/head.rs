//! Parses the heads of HTTP/1.1 messages, and the length of the body that a head declares (RFC 9112 section 6).

use std::mem::MaybeUninit;

/// Maximum number of header fields of one head. A head with more fields is treated as a foreign protocol.
const MAX_FIELDS: usize = 128;
/// Replaces the value of a credential.
pub(crate) const NOT_KEPT: &str = "(not kept)";
/// Header fields whose values are never recorded.
const SECRET_FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Header fields in the order in which they were received. Names are in lower case.
pub(crate) type Fields = Vec<(String, String)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartLine {
    Request { method: String, path: String },
    Reply { status: u16 },
}

/// The length of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Fixed(u64),
    Chunked,
    /// Until the connection ends.
    UntilEnd,
    /// There is no body, because the connection changes to another protocol.
    Switched,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) line: StartLine,
    pub(crate) fields: Fields,
    pub(crate) length: Length,
}

pub(crate) enum ParsedHead {
    /// More bytes are needed.
    Partial,
    /// A head and its length in bytes.
    Whole(Head, usize),
    /// Bytes that cannot be parsed as HTTP/1.1, and the reason.
    Foreign(&'static str),
}

/// Context of a head, which changes how its bytes are parsed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ParseOptions {
    /// True if the reply answers a `HEAD` request, so that it has no body.
    pub(crate) to_head: bool,
    /// True if the header fields are recorded.
    pub(crate) keep_fields: bool,
}

pub(crate) fn parse_request(bytes: &[u8], options: ParseOptions) -> ParsedHead {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let size = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return ParsedHead::Partial,
        Err(_) => return ParsedHead::Foreign("not a request of HTTP/1.1"),
    };
    let method = request.method.unwrap_or_default().to_owned();
    let path = request.path.unwrap_or_default().to_owned();
    let fields = record_fields(request.headers, options);
    let length = match declared_length(request.headers) {
        Ok(length) => length.unwrap_or(Length::Fixed(0)),
        Err(why) => return ParsedHead::Foreign(why),
    };
    // After `CONNECT` the connection is a tunnel (RFC 9110 section 9.3.6).
    let length = if method == "CONNECT" { Length::Switched } else { length };
    ParsedHead::Whole(Head { line: StartLine::Request { method, path }, fields, length }, size)
}

pub(crate) fn parse_reply(bytes: &[u8], options: ParseOptions) -> ParsedHead {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut reply = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let size = match parser.parse_response_with_uninit_headers(&mut reply, bytes, &mut fields) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return ParsedHead::Partial,
        Err(_) => return ParsedHead::Foreign("not a reply of HTTP/1.1"),
    };
    let status = reply.code.unwrap_or_default();
    let fields = record_fields(reply.headers, options);
    // RFC 9112 section 6.3: the status and the request decide before the header fields do, because a reply to `HEAD` and a
    // 304 declare the length of a body that they do not have.
    let length = match (status, declared_length(reply.headers)) {
        (_, Err(why)) => return ParsedHead::Foreign(why),
        (101, _) => Length::Switched,
        (100..=199 | 204 | 304, _) => Length::Fixed(0),
        _ if options.to_head => Length::Fixed(0),
        (_, Ok(length)) => length.unwrap_or(Length::UntilEnd),
    };
    ParsedHead::Whole(Head { line: StartLine::Reply { status }, fields, length }, size)
}

fn record_fields(fields: &[httparse::Header<'_>], options: ParseOptions) -> Fields {
    if !options.keep_fields {
        return Fields::new();
    }
    let keep = |field: &httparse::Header<'_>| {
        let name = field.name.to_ascii_lowercase();
        let value = if SECRET_FIELDS.contains(&name.as_str()) {
            NOT_KEPT.to_owned()
        } else {
            String::from_utf8_lossy(field.value).into_owned()
        };
        (name, value)
    };
    fields.iter().map(keep).collect()
}

fn declared_length(fields: &[httparse::Header<'_>]) -> Result<Option<Length>, &'static str> {
    let mut length = None;
    let mut chunked = None;
    for field in fields {
        let value = || std::str::from_utf8(field.value).unwrap_or_default().trim();
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = value().rsplit(',').next().unwrap_or_default().trim();
            chunked = Some(last.eq_ignore_ascii_case("chunked"));
        } else if field.name.eq_ignore_ascii_case("content-length") {
            // `parse` alone would accept `+1`, which other receivers refuse.
            let digits = Some(value()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let value: u64 =
                digits.and_then(|text| text.parse().ok()).ok_or("a content length that is not a number")?;
            // The receiver may use either length, so the end of the message is unknown.
            if length.is_some_and(|length| length != value) {
                return Err("two different content lengths");
            }
            length = Some(value);
        }
    }
    // RFC 9112 section 6.3: `Transfer-Encoding` overrides `Content-Length`, and must end in `chunked` to mark the end of the body.
    match chunked {
        Some(true) => Ok(Some(Length::Chunked)),
        Some(false) => Err("a transfer coding that is not chunked"),
        None => Ok(length.map(Length::Fixed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply_length(text: &str, to_head: bool) -> Length {
        match parse_reply(text.as_bytes(), ParseOptions { to_head, keep_fields: false }) {
            ParsedHead::Whole(head, size) => {
                assert_eq!(size, text.len());
                head.length
            }
            ParsedHead::Partial => panic!("a part only"),
            ParsedHead::Foreign(why) => panic!("{why}"),
        }
    }

    #[test]
    fn the_length_of_a_reply_follows_rfc_9112() {
        assert_eq!(reply_length("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", false), Length::Fixed(7));
        assert_eq!(reply_length("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", true), Length::Fixed(0));
        assert_eq!(reply_length("HTTP/1.1 204 No\r\n\r\n", false), Length::Fixed(0));
        assert_eq!(reply_length("HTTP/1.1 100 Go on\r\n\r\n", false), Length::Fixed(0));
        assert_eq!(reply_length("HTTP/1.1 200 OK\r\n\r\n", false), Length::UntilEnd);
        assert_eq!(reply_length("HTTP/1.1 101 Other\r\n\r\n", false), Length::Switched);
        assert_eq!(
            reply_length("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n", false),
            Length::Chunked
        );
    }

    #[test]
    fn heads_that_cannot_be_followed_are_foreign() {
        let heads = [
            "*2\r\n$3\r\nGET\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n",
        ];
        for head in heads {
            assert!(
                matches!(parse_request(head.as_bytes(), ParseOptions::default()), ParsedHead::Foreign(_)),
                "{head:?}"
            );
        }
    }

    #[test]
    fn credentials_are_not_recorded() {
        let text = "GET / HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nCookie: s3cret\r\nx: y\r\n\r\n";
        let ParsedHead::Whole(head, _) =
            parse_request(text.as_bytes(), ParseOptions { to_head: false, keep_fields: true })
        else {
            panic!("not a head")
        };
        assert!(!format!("{head:?}").contains("s3cret"));
        assert_eq!(head.fields[0], ("authorization".to_owned(), NOT_KEPT.to_owned()));
        assert_eq!(head.fields[2], ("x".to_owned(), "y".to_owned()));
    }
}
