//! Blackhole: bytes are taken and never arrive. A connection that lost bytes cannot go on after that: it is reset when the toxic is
//! removed.

use serde::{Deserialize, Serialize};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blackhole {}
