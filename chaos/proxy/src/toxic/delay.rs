//! HTTP delay: a request is passed on later, or its reply is; what comes after it on the same connection waits too.

use crate::toxic::{Moment, millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// How late.
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
    /// Whether the request is late, or the reply.
    #[serde(default)]
    pub moment: Moment,
}
