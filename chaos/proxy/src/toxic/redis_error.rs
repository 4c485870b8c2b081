//! Redis error: the proxy answers commands in place of the upstream, which never sees them: with an error, or with what no reply may be.
//! The replies before and after it keep their order, and the connection goes on, but for a reply that breaks off. Commands of a transaction
//! are commands like others: the upstream does not know that one of them failed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What arrives as the reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisShape {
    /// An error with the text.
    #[default]
    Error,
    /// A line that no reply begins with.
    Garbage,
    /// The beginning of a reply; then the connection ends.
    Truncated,
    /// An integer that is too large for 64 bits.
    WrongInteger,
}

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisError {
    /// Which commands, such as `EVALSHA`; none named are all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// The error, its code first, as in `LOADING Redis is loading the dataset in memory`.
    #[serde(default = "injected")]
    pub text: String,
    /// What arrives.
    #[serde(default)]
    pub shape: RedisShape,
}

fn injected() -> String {
    "ERR injected by the fault proxy".to_owned()
}

impl RedisError {
    /// This error to all commands.
    pub fn new(text: impl Into<String>) -> Self {
        Self { commands: Vec::new(), text: text.into(), shape: RedisShape::Error }
    }

    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.text.is_empty() || self.text.contains(['\r', '\n']) {
            Some("`text` must be one line")
        } else if self.commands.iter().any(String::is_empty) {
            Some("`commands` must have names in it")
        } else {
            None
        }
    }

    /// Tells whether it answers a command of this name.
    pub(crate) fn answers(&self, name: &str) -> bool {
        self.commands.is_empty() || self.commands.iter().any(|command| command.eq_ignore_ascii_case(name))
    }

    /// Tells whether the connection ends after the reply.
    pub(crate) const fn ends(&self) -> bool {
        match self.shape {
            RedisShape::Truncated => true,
            RedisShape::Error | RedisShape::Garbage | RedisShape::WrongInteger => false,
        }
    }

    /// The whole reply.
    pub(crate) fn reply(&self) -> Bytes {
        match self.shape {
            RedisShape::Error => Bytes::from(format!("-{}\r\n", self.text)),
            RedisShape::Garbage => Bytes::from_static(b"\x00\x01 this is no reply of Redis\r\n"),
            RedisShape::Truncated => Bytes::from_static(b"*3\r\n:1\r\n$20\r\nhalf of"),
            RedisShape::WrongInteger => Bytes::from_static(b":9223372036854775808\r\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::replies::{Replies, Step};

    #[test]
    fn every_shape_is_what_it_says() {
        let step = |shape| {
            let reply = RedisError { shape, ..RedisError::new("LOADING wait") }.reply();
            let (taken, step) = Replies::default().step(&reply);
            (taken == reply.len(), step)
        };
        assert_eq!(step(RedisShape::Error), (true, Step::Reply));
        assert_eq!(step(RedisShape::Truncated), (true, Step::Part));
        assert_eq!(step(RedisShape::WrongInteger), (true, Step::Reply));
        assert!(matches!(step(RedisShape::Garbage), (true, Step::Foreign(_))));
        let wrong = RedisError { shape: RedisShape::WrongInteger, ..RedisError::new("x") }.reply();
        assert!(std::str::from_utf8(&wrong[1..]).unwrap().trim().parse::<i64>().is_err());
    }

    #[test]
    fn commands_are_known_in_any_case_and_none_named_are_all() {
        let named = RedisError { commands: vec!["eval".into(), "EVALSHA".into()], ..RedisError::new("OOM no memory") };
        assert!(named.answers("EVAL") && named.answers("EVALSHA") && !named.answers("GET"));
        assert!(RedisError::new("BUSY").answers("GET"));
    }

    #[test]
    fn a_text_that_would_be_more_than_one_reply_is_refused() {
        assert!(RedisError::new("ERR a\r\n+OK").problem().is_some());
        assert!(RedisError::new("").problem().is_some());
        assert!(RedisError { commands: vec![String::new()], ..RedisError::new("x") }.problem().is_some());
        assert_eq!(toml::from_str::<RedisError>("").unwrap().problem(), None);
    }
}
