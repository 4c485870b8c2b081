//! HTTP delay: a request or its reply is passed on later. Everything after it on the same connection waits too.

use super::effect::{Effect, RequestEffect};
use super::{Kind, Moment, Protocol, millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const KIND: Kind = Kind {
    name: "delay",
    about: "HTTP: passes a request or its reply on later",
    example: r#"{ kind = "delay", delay_ms = 4, moment = "reply" }"#,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
    /// The side that is delayed: the request or the reply.
    #[serde(default)]
    pub moment: Moment,
}

impl Effect for Delay {
    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn on_request(&self, _head: bool) -> RequestEffect {
        RequestEffect::Hit
    }

    fn delay(&self, moment: Moment, _random: u64) -> Duration {
        if self.moment == moment { self.delay } else { Duration::ZERO }
    }
}
