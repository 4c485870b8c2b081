//! A scenario in a plan: its name and what must hold. The code of the scenario is compiled into the harness.

use super::workload::Threshold;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The name, such as `tenant-isolation`.
    pub name: String,
    /// What it proves, in one sentence.
    pub about: String,
    /// Maximum duration of the whole scenario.
    pub deadline: Duration,
    /// Checks that must decide *pass* or *fail*.
    pub required: Vec<String>,
    /// Bounds on the latency and errors of its calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
}
