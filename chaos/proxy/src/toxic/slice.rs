//! Slice: bytes arrive in small pieces, each in its own packet.

use super::effect::{BytesInTransit, Effect, QueuedItem, ReleaseTime, StreamPosition};
use super::{Kind, millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) const KIND: Kind = Kind {
    name: "slice",
    about: "delivers bytes in small pieces, each in its own packet",
    example: r#"{ kind = "slice", size = 700, gap_ms = 1 }"#,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Bytes of a piece; at least 1.
    pub size: usize,
    /// Time between two pieces of bytes that arrived together.
    #[serde(rename = "gap_ms", with = "millis", default)]
    pub gap: Duration,
}

impl Effect for Slice {
    fn problem(&self) -> Option<&'static str> {
        (self.size == 0).then_some("`size` must be at least 1")
    }

    fn on_bytes(&self, in_transit: &mut BytesInTransit, _place: StreamPosition) -> usize {
        in_transit.max_piece = in_transit.max_piece.min(self.size);
        in_transit.bytes.len()
    }

    fn schedule(&self, waiting: QueuedItem, release: &mut ReleaseTime) {
        if waiting.continues {
            release.due += self.gap;
        }
    }
}
