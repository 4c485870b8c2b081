//! Slow close: bytes pass as they arrive, but the end of a connection is passed on late.

use super::effect::{Effect, QueuedItem, ReleaseTime};
use super::{Kind, millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const KIND: Kind = Kind {
    name: "slow_close",
    about: "passes the end of a connection (FIN) on later",
    example: r#"{ kind = "slow_close", delay_ms = 5 }"#,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClose {
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
}

impl Effect for SlowClose {
    fn holds_end(&self) -> bool {
        true
    }

    fn schedule(&self, waiting: QueuedItem, release: &mut ReleaseTime) {
        if waiting.is_end {
            release.due += self.delay;
        }
    }
}
