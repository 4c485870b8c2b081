//! Hang: nothing passes and nothing is lost. Bytes and ends of connections that arrive in the meantime pass when the toxic is removed. A
//! client sees the same from a network partition that heals before TCP gives up, and from a stopped process.

use super::Kind;
use super::effect::{BytesInTransit, Effect, QueuedItem, ReleaseTime, StreamPosition};
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind = Kind {
    name: "hang",
    about: "holds back everything until the toxic is removed; nothing is lost",
    example: r#"{ kind = "hang" }"#,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hang {}

impl Effect for Hang {
    fn on_bytes(&self, in_transit: &mut BytesInTransit, _place: StreamPosition) -> usize {
        in_transit.bytes.len()
    }

    fn holds_end(&self) -> bool {
        true
    }

    fn schedule(&self, _waiting: QueuedItem, release: &mut ReleaseTime) {
        release.hung = true;
    }
}
