//! The types of what a run observes: CPU and memory of every part, versions, and the machine.

use serde::{Deserialize, Serialize};

/// CPU and memory of one part. CPU time is a running total, so a missed sample loses no CPU time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Time of the run's clock, in microseconds.
    pub at_us: u64,
    /// Name of the part, or `driver`.
    pub part: String,
    /// User and system CPU time used so far, in microseconds.
    pub cpu_us: u64,
    /// Resident memory now, in bytes.
    pub rss_bytes: u64,
}

/// The versions of the parts, and the machine on which the run took place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Start of the run (RFC 3339, UTC).
    pub started_at: String,
    pub harness_version: String,
    /// Version of each part, by part name.
    pub part_versions: std::collections::BTreeMap<String, String>,
    /// Cores that the harness may use.
    pub cores: u32,
    /// Memory of the machine, in bytes.
    pub memory_bytes: u64,
    /// Operating system and kernel.
    pub system: String,
    /// Time from the start of the stack until every part was ready, in microseconds.
    pub stack_start_us: u64,
}
