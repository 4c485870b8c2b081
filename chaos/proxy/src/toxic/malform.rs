//! HTTP malformed reply: the upstream does the work, and the client receives something else in place of its reply.

use super::effect::{Effect, RequestEffect, Rewritten, UpstreamReply};
use super::{Kind, Protocol};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind = Kind {
    name: "malform",
    about: "HTTP: replaces the upstream's reply with a wrong or broken one",
    example: r#"{ kind = "malform", shape = "half_content" }"#,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A valid reply with the content `{}`.
    Empty,
    /// A valid reply whose content is not JSON.
    NotJson,
    /// A valid reply with the first half of the content; `content-length` matches.
    HalfContent,
    /// A JSON-RPC reply to another request.
    OtherId,
    /// A status line that is not HTTP; then the connection ends.
    NoHttp,
    /// Fewer bytes than `content-length` declares; then the connection ends.
    ShortContent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Malform {
    pub shape: Shape,
}

impl Effect for Malform {
    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn on_request(&self, _head: bool) -> RequestEffect {
        RequestEffect::RewriteReply
    }

    fn rewrite(&self, reply: UpstreamReply<'_>) -> Option<Rewritten> {
        let half = &reply.content[..reply.content.len() / 2];
        let whole = |content: &[u8]| respond(reply, content, content.len());
        let (bytes, ends) = match self.shape {
            Shape::Empty => (whole(b"{}"), false),
            Shape::NotJson => (whole(b"<html><body><h1>It works!</h1></body></html>"), false),
            Shape::HalfContent => (whole(half), false),
            Shape::OtherId => (whole(br#"{"jsonrpc":"2.0","id":"of another request","result":{}}"#), false),
            Shape::NoHttp => (Bytes::from_static(b"\x00\x01 this is not HTTP\r\n\r\n"), true),
            // At least 1, so that a byte is missing from an empty reply too.
            Shape::ShortContent => (respond(reply, half, reply.content.len().max(1)), true),
        };
        Some(Rewritten { bytes, ends })
    }
}

fn respond(reply: UpstreamReply<'_>, content: &[u8], length: usize) -> Bytes {
    let UpstreamReply { status, content_type, .. } = reply;
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
    fn every_shape_is_malformed_in_its_own_way() {
        let reply = |shape| {
            let upstream = UpstreamReply { status: 200, content_type: "application/json", content: b"{\"id\":1}" };
            let bytes = Malform { shape }.rewrite(upstream).unwrap().bytes;
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
