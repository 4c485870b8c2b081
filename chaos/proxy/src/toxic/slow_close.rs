//! Slow close: bytes pass as they come, but the end of a connection is passed on late.

use crate::toxic::millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClose {
    /// How late.
    #[serde(rename = "delay_ms", with = "millis")]
    pub delay: Duration,
}
