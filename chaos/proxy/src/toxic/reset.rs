//! Reset: connections end with RST on both sides, open ones at once and new ones as soon as the proxy accepts them. A rule with a share or
//! a filter resets the connection of a drawn operation when its request is complete and before the upstream sees it.

use super::Ending;
use super::effect::{Effect, RequestEffect};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {}

impl Effect for Reset {
    fn about() -> &'static str {
        "resets connections (RST), open ones and new ones"
    }

    fn example() -> &'static str {
        r#"{ kind = "reset" }"#
    }

    fn ends_connections(&self) -> Option<Ending> {
        Some(Ending::Reset)
    }

    fn on_request(&self, _head: bool) -> RequestEffect {
        RequestEffect::End(Ending::Reset)
    }
}
