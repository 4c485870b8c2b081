//! Heads of HTTP/1.1 messages: what they say about the length of what follows (RFC 9112 section 6).

use std::mem::MaybeUninit;

/// Most header fields of one head; more of them are not followed.
const MAX_FIELDS: usize = 128;
/// What is kept in place of a value that nobody may read later.
pub(crate) const NOT_KEPT: &str = "(not kept)";
/// Fields whose values are never kept.
const SECRET_FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Header fields in the order of the wire, names in lower case.
pub(crate) type Fields = Vec<(String, String)>;

/// What the first line of a head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Of a request.
    Request { method: String, path: String },
    /// Of a reply.
    Reply { status: u16 },
}

/// How long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes.
    Fixed(u64),
    /// In chunks.
    Chunked,
    /// Until the connection ends.
    UntilEnd,
    /// Another protocol follows.
    Switched,
}

/// One head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) line: Line,
    pub(crate) fields: Fields,
    pub(crate) length: Length,
}

/// What a try at a head came to.
pub(crate) enum Tried {
    /// More bytes are needed.
    Partial,
    /// A head of so many bytes.
    Whole(Head, usize),
    /// This is not HTTP/1.1 that can be followed, and why.
    Foreign(&'static str),
}

/// What reading a head depends on besides its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The next reply answers a `HEAD`.
    pub(crate) to_head: bool,
    /// Somebody wants to know the fields.
    pub(crate) keep_fields: bool,
}

/// Tries to read the head of a request.
pub(crate) fn request(bytes: &[u8], look: Look) -> Tried {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let size = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Tried::Partial,
        Err(_) => return Tried::Foreign("not a request of HTTP/1.1"),
    };
    let method = request.method.unwrap_or_default().to_owned();
    let path = request.path.unwrap_or_default().to_owned();
    let fields = kept(request.headers, look);
    let length = match declared(request.headers) {
        Ok(length) => length.unwrap_or(Length::Fixed(0)),
        Err(why) => return Tried::Foreign(why),
    };
    let length = if method == "CONNECT" { Length::Switched } else { length };
    Tried::Whole(Head { line: Line::Request { method, path }, fields, length }, size)
}

/// Tries to read the head of a reply.
pub(crate) fn reply(bytes: &[u8], look: Look) -> Tried {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut reply = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let size = match parser.parse_response_with_uninit_headers(&mut reply, bytes, &mut fields) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Tried::Partial,
        Err(_) => return Tried::Foreign("not a reply of HTTP/1.1"),
    };
    let status = reply.code.unwrap_or_default();
    let fields = kept(reply.headers, look);
    let length = match (status, declared(reply.headers)) {
        (_, Err(why)) => return Tried::Foreign(why),
        (101, _) => Length::Switched,
        (100..=199 | 204 | 304, _) => Length::Fixed(0),
        _ if look.to_head => Length::Fixed(0),
        (_, Ok(length)) => length.unwrap_or(Length::UntilEnd),
    };
    Tried::Whole(Head { line: Line::Reply { status }, fields, length }, size)
}

fn kept(fields: &[httparse::Header<'_>], look: Look) -> Fields {
    if !look.keep_fields {
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

fn declared(fields: &[httparse::Header<'_>]) -> Result<Option<Length>, &'static str> {
    let mut length = None;
    let mut chunked = None;
    for field in fields {
        let value = || std::str::from_utf8(field.value).unwrap_or_default().trim();
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = value().rsplit(',').next().unwrap_or_default().trim();
            chunked = Some(last.eq_ignore_ascii_case("chunked"));
        } else if field.name.eq_ignore_ascii_case("content-length") {
            let value: u64 = value().parse().map_err(|_| "a content length that is no number")?;
            if length.is_some_and(|known| known != value) {
                return Err("two different content lengths");
            }
            length = Some(value);
        }
    }
    match chunked {
        Some(true) => Ok(Some(Length::Chunked)),
        Some(false) => Err("a transfer coding that is not chunked"),
        None => Ok(length.map(Length::Fixed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length_of_reply(text: &str, to_head: bool) -> Length {
        match reply(text.as_bytes(), Look { to_head, keep_fields: false }) {
            Tried::Whole(head, size) => {
                assert_eq!(size, text.len());
                head.length
            }
            Tried::Partial => panic!("a part only"),
            Tried::Foreign(why) => panic!("{why}"),
        }
    }

    #[test]
    fn the_length_of_a_reply_follows_the_rules_of_the_standard() {
        assert_eq!(length_of_reply("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", false), Length::Fixed(7));
        assert_eq!(length_of_reply("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", true), Length::Fixed(0));
        assert_eq!(length_of_reply("HTTP/1.1 204 No\r\n\r\n", false), Length::Fixed(0));
        assert_eq!(length_of_reply("HTTP/1.1 100 Go on\r\n\r\n", false), Length::Fixed(0));
        assert_eq!(length_of_reply("HTTP/1.1 200 OK\r\n\r\n", false), Length::UntilEnd);
        assert_eq!(length_of_reply("HTTP/1.1 101 Other\r\n\r\n", false), Length::Switched);
        assert_eq!(
            length_of_reply("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n", false),
            Length::Chunked
        );
    }

    #[test]
    fn what_cannot_be_followed_is_foreign_and_says_why() {
        let heads = [
            "*2\r\n$3\r\nGET\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n",
        ];
        for head in heads {
            assert!(matches!(request(head.as_bytes(), Look::default()), Tried::Foreign(_)), "{head:?}");
        }
    }

    #[test]
    fn no_credential_is_kept() {
        let text = "GET / HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nCookie: s3cret\r\nx: y\r\n\r\n";
        let Tried::Whole(head, _) = request(text.as_bytes(), Look { to_head: false, keep_fields: true }) else {
            panic!("not a head")
        };
        assert!(!format!("{head:?}").contains("s3cret"));
        assert_eq!(head.fields[0], ("authorization".to_owned(), NOT_KEPT.to_owned()));
        assert_eq!(head.fields[2], ("x".to_owned(), "y".to_owned()));
    }
}
