//! Blackhole: the proxy takes bytes and never delivers them. A stream with missing bytes cannot go on, so a connection that lost bytes is
//! reset when the toxic is removed.

use super::effect::{Effect, Passage, Place};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blackhole {}

impl Effect for Blackhole {
    fn about() -> &'static str {
        "drops bytes; a connection that lost bytes is reset when the toxic is removed"
    }

    fn example() -> &'static str {
        r#"{ kind = "blackhole" }"#
    }

    fn on_bytes(&self, passage: &mut Passage, _place: Place) -> usize {
        let dropped = passage.bytes.len();
        passage.bytes.clear();
        passage.lost = true;
        dropped
    }
}
