//! A scenario as a plan records it: its name and what must hold. The code of a scenario is part of the program.

use super::workload::Threshold;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A scenario as a plan records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Such as `tenant-isolation`.
    pub name: String,
    /// What it shows, in one sentence.
    pub about: String,
    /// The whole scenario must end within this time.
    pub deadline: Duration,
    /// Checks that must reach a verdict.
    pub required: Vec<String>,
    /// Bounds on the calls of the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
}
