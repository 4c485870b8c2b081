//! Loads, scenarios and experiments, and the client that makes their calls. A load runs in a child process, the driver (`harness __drive`). The
//! driver reads an [`Assignment`] from stdin, writes one [`Progress`](crate::stack::view::Progress) per line to stdout, records every operation in
//! `history.jsonl`, and ends with a [`DriverReport`].

pub mod client;
pub mod descriptors;
pub mod experiment;
pub mod hardening;
pub mod scenario;
pub mod surface;
pub mod target;
pub mod token;
pub mod traffic;

mod canary;
mod effect;
mod run_purpose;

pub use run_purpose::{Plan, PlanRequest, RunPurpose};

use self::target::TargetAccess;
use crate::plan::workload::Workload;
use harness_history::experiment::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The driver's task. It is sent over stdin, never through arguments or files, because it holds the secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// The run directory; the driver writes `history.jsonl` and `driver.json` there.
    pub run_dir: PathBuf,
    /// MCP endpoint by the name of the instance, such as `http://127.0.0.1:40123/mcp` of `memory-2`.
    pub endpoints: BTreeMap<String, String>,
    pub jwt_secret: String,
    /// Value of [`crate::observe::clock::monotonic_us`] that is time 0 of the run.
    pub epoch_us: u64,
    pub seed: u64,
    pub workload: Workload,
    /// The way to the target; `None` if the load is on a stack of this product.
    #[serde(default)]
    pub target: Option<TargetAccess>,
}

/// The walks after the load: whether every user walked, or a sample of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalWalks {
    /// Number of users of the load.
    pub users: u32,
    /// Number of users that walked to the last page. If not all, they are a random sample of the users, chosen by the seed.
    pub walked: u32,
    /// Number of records in the replies.
    pub records: u64,
}

/// The handshakes of the users with a target. Their times are not in those of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshakes {
    /// Number of handshakes. A user makes another one after the server has lost its session.
    pub made: u64,
    /// Number of those that failed.
    pub failed: u64,
    /// Duration at the 50th percentile, in microseconds.
    pub us_p50: u64,
    /// Duration of the longest one, in microseconds.
    pub us_max: u64,
    /// Revision of MCP that client and server agreed upon; empty if no handshake succeeded.
    pub version: String,
}

/// The report that the driver writes about itself at its end (`driver.json`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DriverReport {
    /// Start of the measured phase on the run's clock, in microseconds.
    pub measured_from_us: u64,
    /// End of the measured phase on the run's clock, in microseconds.
    pub measured_until_us: u64,
    /// Calls made in the measured phase.
    pub calls: u64,
    /// Arrivals planned in the measured phase; only in the open model.
    pub planned_arrivals: Option<u64>,
    /// Arrivals that were sent in the measured phase. A call that follows from a reply does not count as an arrival.
    /// Omitted in the closed model, and by older versions, which made no such calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<u64>,
    /// Calls of the load (warm-up and measured phase) by goose's own count; the history must have as many. Omitted by older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<u64>,
    /// Send lag at the 50th percentile, in microseconds; only in the open model. The send lag is the driver's own
    /// delay. It begins at the planned start, or when a user became free if that is later, and ends at the send.
    /// Waiting for a slow service is part of the latency.
    pub send_lag_us_p50: Option<u64>,
    /// See [`DriverReport::send_lag_us_p50`].
    pub send_lag_us_p99: Option<u64>,
    /// CPU time (user and system) that the driver used in the measured phase, in microseconds.
    pub cpu_us: u64,
    /// The busiest single second: CPU time over wall time; 1.0 is one core.
    pub cpu_peak: f64,
    /// Highest resident memory, in bytes.
    pub rss_peak_bytes: u64,
    /// Maximum number of operations that overlapped. The operations of one user never overlap.
    pub users_peak: u32,
    /// Spans in which the driver did not run. Omitted by older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stalls: Vec<Span>,
    /// The walks through everything that users can list, after the load; omitted by older versions and by loads without memories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_walks: Option<FinalWalks>,
    /// Number of records that the final read fetched by their ids, if they are a random sample of all; omitted if it fetched every record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_sample: Option<u64>,
    /// The handshakes with a target; omitted if the load is on a stack of this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Handshakes>,
    /// True if the run was interrupted, so that every figure here is partial.
    pub interrupted: bool,
    /// Reasons why this run proves nothing, such as a full disk. Each is one sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}
