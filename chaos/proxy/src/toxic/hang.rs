//! Hang: nothing passes, and nothing is lost: what came in the meantime, ends of connections too, passes when the toxic is removed. This
//! is what a partition looks like that heals before TCP gives up, and what a stopped process looks like.

use serde::{Deserialize, Serialize};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hang {}
