//! Reset: connections end with RST on both sides, open ones at once and new ones as soon as they are accepted. Drawn for a share of the
//! operations, the connection of an operation is reset when its request is complete and before the upstream sees it.

use serde::{Deserialize, Serialize};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {}
