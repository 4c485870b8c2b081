//! The plan of a run: everything that was decided before anything starts.

use crate::topology::Topology;
use crate::workload::Workload;
use serde::{Deserialize, Serialize};

/// A resolved and validated plan; `plan.json` in the run directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Identity of the run and name of its directory, such as `2026-11-23T18-05-11Z-load-memory-7f3a`.
    pub run_id: String,
    /// The exact command to repeat it.
    pub command: String,
    /// Decides every random choice of the run.
    pub seed: u64,
    /// Where the stack runs.
    pub backend: Backend,
    /// What the stack consists of.
    pub topology: Topology,
    /// What is driven.
    pub workload: Workload,
}

/// Where the stack runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Plain processes on this machine.
    Process,
    /// Containers on this machine.
    Docker,
    /// Somebody else started it; base URL by service name.
    External {
        /// Service name to base URL, such as `memory` to `http://127.0.0.1:7420`.
        urls: std::collections::BTreeMap<String, String>,
    },
}
