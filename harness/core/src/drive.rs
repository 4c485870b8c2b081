//! How a run hands its load to a driver and what the driver says back. The driver is a child process of its own
//! (`harness __drive`): it reads an [`Assignment`] on stdin, writes one [`Progress`] per line on stdout, records every
//! operation in `history.jsonl` and ends with a [`DriverReport`].

use crate::workload::Workload;
use harness_history::Phase;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the driver is to do. Travels over stdin, never through arguments or files: it holds the secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// The run directory; the driver writes `history.jsonl` and `driver.json` there.
    pub run_dir: PathBuf,
    /// MCP endpoint by service name, such as `http://127.0.0.1:40123/mcp`.
    pub endpoints: BTreeMap<String, String>,
    /// Key that tokens are minted with.
    pub jwt_secret: String,
    /// Value of [`crate::clock::monotonic_us`] that is time 0 of the run.
    pub epoch_us: u64,
    /// Seed of the run.
    pub seed: u64,
    /// The workload.
    pub workload: Workload,
}

/// What happened since the last line; about one per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Time of the run's clock, in microseconds.
    pub at_us: u64,
    /// Part of the run.
    pub phase: Phase,
    /// Time left in that phase, in microseconds.
    pub left_us: u64,
    /// Users that are running.
    pub users: u32,
    /// Calls completed since the last line.
    pub calls: u64,
    /// Calls since the last line that were not ok.
    pub errors: u64,
    /// Calls completed in the phase so far.
    pub phase_calls: u64,
    /// Calls in the phase so far that were not ok.
    pub phase_errors: u64,
    /// Latency percentiles of the phase so far, in microseconds.
    pub latency_us_p50: u64,
    /// See [`Progress::latency_us_p50`].
    pub latency_us_p95: u64,
    /// See [`Progress::latency_us_p50`].
    pub latency_us_p99: u64,
}

/// What the driver says of itself at the end; `driver.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DriverReport {
    /// Start of the measured phase on the run's clock, in microseconds.
    pub measured_from_us: u64,
    /// End of the measured phase on the run's clock, in microseconds.
    pub measured_until_us: u64,
    /// Calls made in the measured phase.
    pub calls: u64,
    /// Arrivals that the schedule asked for in the measured phase; only in the open model.
    pub planned_arrivals: Option<u64>,
    /// Send lag at the 50th percentile, in microseconds; only in the open model. It is the driver's own delay, from the
    /// planned start (or from when a user was free, if later) to the send; waiting for a slow service is in the latency.
    pub send_lag_us_p50: Option<u64>,
    /// See [`DriverReport::send_lag_us_p50`].
    pub send_lag_us_p99: Option<u64>,
    /// CPU time (user and system) that the driver used in the measured phase, in microseconds.
    pub cpu_us: u64,
    /// The busiest single second: CPU time over wall time; 1.0 is one core.
    pub cpu_peak: f64,
    /// Highest resident memory, in bytes.
    pub rss_peak_bytes: u64,
    /// Users that ran concurrently at the peak, as counted by overlapping operations.
    pub users_peak: u32,
    /// True where the run was interrupted and everything here is partial.
    pub interrupted: bool,
    /// Why this run proves nothing, such as a full disk under the history; each for people, empty where all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}
