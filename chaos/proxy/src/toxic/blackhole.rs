//! Blackhole: the proxy takes bytes and never delivers them. A stream with missing bytes cannot go on, so a connection that lost bytes is
//! reset when the toxic is removed.

use super::Kind;
use super::effect::{BytesInTransit, Effect, StreamPosition};
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind = Kind {
    name: "blackhole",
    about: "drops bytes; a connection that lost bytes is reset when the toxic is removed",
    example: r#"{ kind = "blackhole" }"#,
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blackhole {}

impl Effect for Blackhole {
    fn on_bytes(&self, in_transit: &mut BytesInTransit, _place: StreamPosition) -> usize {
        let dropped = in_transit.bytes.len();
        in_transit.bytes.clear();
        in_transit.lost = true;
        dropped
    }
}
