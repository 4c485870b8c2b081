//! HTTP status: the proxy answers in place of the upstream, which never sees the request. The connection stays open.

use super::effect::{Effect, RequestEffect};
use super::{Kind, Protocol};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind = Kind {
    name: "status",
    about: "HTTP: answers with a status; the upstream never sees the request",
    example: r#"{ kind = "status", status = 503, retry_after_secs = 1, body = "{}" }"#,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// From 200 to 599, and neither 204 nor 304, because those replies have no content.
    pub status: u16,
    /// Value of the `Retry-After` header. If omitted, the reply has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    #[serde(default = "json")]
    pub content_type: String,
}

fn json() -> String {
    "application/json".to_owned()
}

impl Status {
    fn reply(&self, head: bool) -> Bytes {
        let retry = self.retry_after_secs.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
        // A line break in the setting must not become a second header.
        let media = self.content_type.replace(['\r', '\n'], " ");
        let body = if head { "" } else { self.body.as_str() };
        Bytes::from(format!(
            "HTTP/1.1 {} Injected\r\ncontent-type: {media}\r\ncontent-length: {}\r\n{retry}\r\n{body}",
            self.status,
            self.body.len()
        ))
    }
}

impl Effect for Status {
    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn problem(&self) -> Option<&'static str> {
        let valid = (200..=599).contains(&self.status) && !matches!(self.status, 204 | 304);
        (!valid).then_some("`status` must be from 200 to 599, and neither 204 nor 304")
    }

    fn on_request(&self, head: bool) -> RequestEffect {
        RequestEffect::Answer(self.reply(head), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::{Length, ParseOptions, ParsedHead, parse_reply};

    #[test]
    fn a_client_can_read_the_reply() {
        let status = Status {
            status: 503,
            retry_after_secs: Some(2),
            body: "{}".into(),
            content_type: "text/x\r\nevil: 1".into(),
        };
        let bytes = status.reply(false);
        let ParsedHead::Whole(head, size) = parse_reply(&bytes, ParseOptions { to_head: false, keep_fields: true })
        else {
            panic!("not a reply")
        };
        assert_eq!((head.length, &bytes[size..]), (Length::Fixed(2), &b"{}"[..]));
        assert!(head.fields.contains(&("retry-after".into(), "2".into())));
        assert!(head.fields.iter().all(|(name, _)| name != "evil"));
        assert!(status.reply(true).ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn a_status_without_content_or_meaning_is_rejected() {
        let problem =
            |status| Status { status, retry_after_secs: None, body: String::new(), content_type: json() }.problem();
        for status in [0, 101, 204, 304, 600] {
            assert!(problem(status).is_some(), "{status}");
        }
        assert_eq!(problem(503), None);
    }
}
