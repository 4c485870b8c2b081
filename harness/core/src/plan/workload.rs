//! A resolved workload: operations, users, arrivals, durations and thresholds. This file has only the data of the plan;
//! `loadtests` reads the profiles (TOML).

pub use harness_history::{Metric, Threshold};
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The input of the driver. It does not contain the addresses of the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Name of the profile, such as `memory`.
    pub name: String,
    pub service: Service,
    /// Number of concurrent users, each with one kept-alive connection.
    pub users: u32,
    /// Number of organisations, over which the users are spread.
    pub organisations: u32,
    pub model: Model,
    /// Duration of the load before the measured phase.
    pub warmup: Duration,
    /// Length of the measured phase.
    pub duration: Duration,
    /// Deadline of one call. The outcome of a call that takes longer is unknown.
    pub call_deadline: Duration,
    /// Weight of each operation, by its name.
    pub mix: BTreeMap<String, u32>,
    /// Number of memories that are stored for each organisation before the warm-up.
    pub seed_memories: u32,
    /// Maximum number of concurrent final reads of acknowledged writes.
    pub final_read_concurrency: u32,
    /// Bounds that decide the verdict, from the profile.
    pub thresholds: Vec<Threshold>,
}

impl Workload {
    /// Returns the reasons why it cannot be driven, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let Self { users, organisations, .. } = self;
        if organisations <= users {
            return Vec::new();
        }
        vec![format!("{users} users cannot be spread over {organisations} organisations; each needs at least one")]
    }
}

/// When the next call is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Each user sends its next call `think_time` after the response to the last one.
    Closed {
        /// Pause of a user between two calls.
        think_time: Duration,
    },
    /// Calls follow one arrival schedule. Latency is measured from the planned start, so that a stack which delays
    /// calls does not look fast.
    Open {
        /// The stages, one after the other; the rate is linear within each.
        stages: Vec<RateStage>,
    },
}

/// A stage of an arrival schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateStage {
    /// Arrivals per second at its start.
    pub from_per_second: f64,
    /// Arrivals per second at its end.
    pub to_per_second: f64,
    pub duration: Duration,
}
