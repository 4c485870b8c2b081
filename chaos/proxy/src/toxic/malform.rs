//! HTTP malformed reply: the upstream does what was asked, and what arrives in place of its reply is not what it should be.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// What arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A proper reply with the content `{}`.
    Empty,
    /// A proper reply whose content is not JSON.
    NotJson,
    /// The head of a proper reply and the first half of the content, which is as long as the head says.
    HalfContent,
    /// The reply of JSON-RPC to another request.
    OtherId,
    /// A status line that is none.
    NoHttp,
    /// The reply, shorter than its head says; then the connection ends.
    ShortContent,
}

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Malform {
    /// What arrives.
    pub shape: Shape,
}

impl Malform {
    /// Tells whether the connection ends after the reply.
    pub(crate) const fn ends(&self) -> bool {
        match self.shape {
            Shape::NoHttp | Shape::ShortContent => true,
            Shape::Empty | Shape::NotJson | Shape::HalfContent | Shape::OtherId => false,
        }
    }

    /// What arrives in place of a reply with this content.
    pub(crate) fn reply(&self, status: u16, content_type: &str, content: &[u8]) -> Bytes {
        let half = &content[..content.len() / 2];
        match self.shape {
            Shape::Empty => whole(status, content_type, b"{}", 2),
            Shape::NotJson => {
                let page = b"<html><body><h1>It works!</h1></body></html>";
                whole(status, content_type, page, page.len())
            }
            Shape::HalfContent => whole(status, content_type, half, half.len()),
            Shape::OtherId => {
                let reply = br#"{"jsonrpc":"2.0","id":"of another request","result":{}}"#;
                whole(status, content_type, reply, reply.len())
            }
            Shape::NoHttp => Bytes::from_static(b"\x00\x01 this is not HTTP\r\n\r\n"),
            Shape::ShortContent => whole(status, content_type, half, content.len().max(1)),
        }
    }
}

fn whole(status: u16, content_type: &str, content: &[u8], length: usize) -> Bytes {
    let head =
        format!("HTTP/1.1 {status} Malformed\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n");
    let mut reply = BytesMut::from(head.as_bytes());
    reply.extend_from_slice(content);
    reply.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_what_it_says() {
        let reply = |shape| {
            let bytes = Malform { shape }.reply(200, "application/json", b"{\"id\":1}");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        assert!(reply(Shape::Empty).ends_with("content-length: 2\r\n\r\n{}"));
        assert!(reply(Shape::NotJson).contains("<html>"));
        assert!(reply(Shape::HalfContent).ends_with("content-length: 4\r\n\r\n{\"id"));
        assert!(reply(Shape::ShortContent).ends_with("content-length: 8\r\n\r\n{\"id"));
        assert!(reply(Shape::OtherId).contains("of another request"));
        assert!(!reply(Shape::NoHttp).starts_with("HTTP"));
    }
}
