//! Reset: connections end with RST on both sides, open ones at once and new ones as soon as the proxy accepts them. A rule with a share or
//! a filter resets the connection of a drawn operation when its request is complete and before the upstream sees it.

use super::effect::{Effect, RequestEffect};
use super::{Ending, Kind};
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind =
    Kind { name: "reset", about: "resets connections (RST), open ones and new ones", example: r#"{ kind = "reset" }"# };

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {}

impl Effect for Reset {
    fn ends_connections(&self) -> Option<Ending> {
        Some(Ending::Reset)
    }

    fn on_request(&self, _head: bool) -> RequestEffect {
        RequestEffect::End(Ending::Reset)
    }
}
