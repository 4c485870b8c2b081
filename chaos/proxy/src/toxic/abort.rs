//! HTTP abort: the connection ends instead of a complete reply. `moment = "request"` ends it before the upstream sees the request;
//! `moment = "reply"` lets the upstream do the work, and the client receives none or only the first bytes of the reply. The latter can cut
//! an event stream inside an event.

use super::effect::{Effect, RequestEffect};
use super::{Ending, Kind, Moment, Protocol};
use serde::{Deserialize, Serialize};

pub(super) const KIND: Kind = Kind {
    name: "abort",
    about: "HTTP: ends the connection before the request reaches the upstream, or inside its reply",
    example: r#"{ kind = "abort", moment = "reply", after_bytes = 20, ending = "reset" }"#,
};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    #[serde(default)]
    pub moment: Moment,
    /// Number of bytes of the reply, its head included, that pass before the end. Used only with `moment = "reply"`.
    #[serde(default)]
    pub after_bytes: u64,
    #[serde(default)]
    pub ending: Ending,
}

impl Effect for Abort {
    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn on_request(&self, _head: bool) -> RequestEffect {
        match self.moment {
            Moment::Request => RequestEffect::End(self.ending),
            Moment::Reply => RequestEffect::CutReply { after_bytes: self.after_bytes, ending: self.ending },
        }
    }
}
