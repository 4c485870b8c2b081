//! Redis error: the proxy answers commands in place of the upstream, which never sees them. The answer is an error or an invalid reply.
//! Replies before and after it keep their order, and the connection stays open unless the answer is truncated. Commands of a transaction
//! are treated like any other: the upstream does not know that one of them failed.

use super::effect::{Effect, RequestEffect};
use super::{Ending, Kind, Protocol};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind = Kind {
    name: "redis_error",
    about: "Redis: answers commands with an error or an invalid reply; the upstream never sees them",
    example: r#"{ kind = "redis_error", commands = ["EVALSHA"], text = "LOADING Redis is loading the dataset in memory" }"#,
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisShape {
    /// An error reply with `text`.
    #[default]
    Error,
    /// A line that no Redis reply can begin with.
    Garbage,
    /// The beginning of a reply; then the connection ends.
    Truncated,
    /// An integer that does not fit into 64 bits.
    WrongInteger,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisError {
    /// Commands that are answered, such as `EVALSHA`. If omitted, every command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// The error with its code first, as in `LOADING Redis is loading the dataset in memory`.
    #[serde(default = "default_text")]
    pub text: String,
    #[serde(default)]
    pub shape: RedisShape,
}

fn default_text() -> String {
    "ERR injected by the fault proxy".to_owned()
}

impl RedisError {
    /// Answers every command with this error.
    pub fn new(text: impl Into<String>) -> Self {
        Self { commands: Vec::new(), text: text.into(), shape: RedisShape::Error }
    }

    fn reply(&self) -> Bytes {
        match self.shape {
            RedisShape::Error => Bytes::from(format!("-{}\r\n", self.text)),
            RedisShape::Garbage => Bytes::from_static(b"\x00\x01 this is no reply of Redis\r\n"),
            RedisShape::Truncated => Bytes::from_static(b"*3\r\n:1\r\n$20\r\nhalf of"),
            RedisShape::WrongInteger => Bytes::from_static(b":9223372036854775808\r\n"),
        }
    }
}

impl Effect for RedisError {
    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Redis)
    }

    fn problem(&self) -> Option<&'static str> {
        if self.text.is_empty() || self.text.contains(['\r', '\n']) {
            Some("`text` must be one line")
        } else if self.commands.iter().any(String::is_empty) {
            Some("`commands` must not contain an empty name")
        } else {
            None
        }
    }

    fn applies_to(&self, method: &str) -> bool {
        self.commands.is_empty() || self.commands.iter().any(|command| command.eq_ignore_ascii_case(method))
    }

    fn on_request(&self, _head: bool) -> RequestEffect {
        let ending = (self.shape == RedisShape::Truncated).then_some(Ending::Close);
        RequestEffect::Answer(self.reply(), ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::replies::{Replies, ReplyStep};

    #[test]
    fn every_shape_is_invalid_in_its_own_way() {
        let step = |shape| {
            let reply = RedisError { shape, ..RedisError::new("LOADING wait") }.reply();
            let (taken, step) = Replies::default().step(&reply);
            (taken == reply.len(), step)
        };
        assert_eq!(step(RedisShape::Error), (true, ReplyStep::Reply));
        assert_eq!(step(RedisShape::Truncated), (true, ReplyStep::Part));
        assert_eq!(step(RedisShape::WrongInteger), (true, ReplyStep::Reply));
        assert!(matches!(step(RedisShape::Garbage), (true, ReplyStep::Foreign(_))));
        let wrong = RedisError { shape: RedisShape::WrongInteger, ..RedisError::new("x") }.reply();
        assert!(std::str::from_utf8(&wrong[1..]).unwrap().trim().parse::<i64>().is_err());
    }

    #[test]
    fn command_names_match_in_any_case_and_an_empty_list_matches_all() {
        let named = RedisError { commands: vec!["eval".into(), "EVALSHA".into()], ..RedisError::new("OOM no memory") };
        assert!(named.applies_to("EVAL") && named.applies_to("EVALSHA") && !named.applies_to("GET"));
        assert!(RedisError::new("BUSY").applies_to("GET"));
    }

    #[test]
    fn a_text_that_would_be_more_than_one_reply_is_rejected() {
        assert!(RedisError::new("ERR a\r\n+OK").problem().is_some());
        assert!(RedisError::new("").problem().is_some());
        assert!(RedisError { commands: vec![String::new()], ..RedisError::new("x") }.problem().is_some());
        assert_eq!(toml::from_str::<RedisError>("").unwrap().problem(), None);
    }
}
