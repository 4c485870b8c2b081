//! HTTP status: the proxy answers in place of the upstream, which never sees the request. The connection goes on.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Status of the reply, 200 to 599.
    pub status: u16,
    /// `Retry-After` of the reply, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<u64>,
    /// Content of the reply.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Media type of the content.
    #[serde(default = "json")]
    pub content_type: String,
}

fn json() -> String {
    "application/json".to_owned()
}

impl Status {
    pub(crate) const fn problem(&self) -> Option<&'static str> {
        if self.status < 200 || self.status > 599 || self.status == 204 || self.status == 304 {
            Some("`status` must be from 200 to 599, and neither 204 nor 304")
        } else {
            None
        }
    }

    /// The whole reply.
    pub(crate) fn reply(&self, to_head: bool) -> Bytes {
        let retry = self.retry_after_secs.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
        let media = self.content_type.replace(['\r', '\n'], " ");
        let body = if to_head { "" } else { self.body.as_str() };
        Bytes::from(format!(
            "HTTP/1.1 {} Injected\r\ncontent-type: {media}\r\ncontent-length: {}\r\n{retry}\r\n{body}",
            self.status,
            self.body.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::{Length, Look, Tried, reply};

    #[test]
    fn the_reply_is_one_that_clients_can_read() {
        let status = Status {
            status: 503,
            retry_after_secs: Some(2),
            body: "{}".into(),
            content_type: "text/x\r\nevil: 1".into(),
        };
        let bytes = status.reply(false);
        let Tried::Whole(head, size) = reply(&bytes, Look { to_head: false, keep_fields: true }) else {
            panic!("not a reply")
        };
        assert_eq!((head.length, &bytes[size..]), (Length::Fixed(2), &b"{}"[..]));
        assert!(head.fields.contains(&("retry-after".into(), "2".into())));
        assert!(head.fields.iter().all(|(name, _)| name != "evil"));
        assert!(status.reply(true).ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn a_status_without_meaning_is_refused() {
        let problem =
            |status| Status { status, retry_after_secs: None, body: String::new(), content_type: json() }.problem();
        for status in [0, 101, 204, 304, 600] {
            assert!(problem(status).is_some(), "{status}");
        }
        assert_eq!(problem(503), None);
    }
}
