//! Slice: bytes arrive in small pieces, each in a packet of its own.

use crate::toxic::millis;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Bytes of a piece; at least 1.
    pub size: usize,
    /// Time between two pieces of what came together.
    #[serde(rename = "gap_ms", with = "millis", default)]
    pub gap: Duration,
}

impl Slice {
    pub(crate) const fn problem(&self) -> Option<&'static str> {
        if self.size == 0 { Some("`size` must be at least 1") } else { None }
    }
}
