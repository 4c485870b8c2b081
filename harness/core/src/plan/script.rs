//! A scenario in a plan: its name, its required checks and its thresholds. Its code is compiled into the harness.

use super::workload::Threshold;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The name, such as `tenant-isolation`.
    pub name: String,
    /// One sentence about the property that the scenario proves.
    pub about: String,
    /// Maximum duration of the whole scenario.
    pub deadline: Duration,
    /// Checks that must end with *pass* or *fail*; *unknown* is not enough.
    pub required: Vec<String>,
    /// Bounds on the latency and errors of its calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
}
