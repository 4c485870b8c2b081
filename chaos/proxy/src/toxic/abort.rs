//! HTTP abort: the connection ends where a reply should be. Before the upstream sees the request, or after it did what was asked: nothing
//! of the reply or its first bytes arrive, which cuts an event stream inside an event.

use crate::toxic::{Ending, Moment};
use serde::{Deserialize, Serialize};

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// Where.
    #[serde(default)]
    pub moment: Moment,
    /// How many bytes of the reply, its head included, pass before that; only at the reply.
    #[serde(default)]
    pub after_bytes: u64,
    /// How the connection ends.
    #[serde(default)]
    pub ending: Ending,
}
