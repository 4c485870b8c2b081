//! A workload, resolved: what the driver does, how long, with how many users, and what counts as good.
//! Profiles (TOML) are read in `loadtests`; here is only the data that a plan keeps.

pub use harness_history::{Metric, Threshold};
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that the driver needs to know, and nothing of where the stack runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Name of the profile, such as `memory`.
    pub name: String,
    /// The service that is driven.
    pub service: Service,
    /// Concurrent users; one kept-alive connection each.
    pub users: u32,
    /// Organisations that the users are spread over.
    pub organisations: u32,
    /// How arrivals are decided.
    pub model: Model,
    /// Load before measuring starts.
    pub warmup: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// Deadline of one call; a call that takes longer is unknown.
    pub call_deadline: Duration,
    /// Operation name to its weight in the mix.
    pub mix: BTreeMap<String, u32>,
    /// Memories stored for each organisation before the warm-up.
    pub seed_memories: u32,
    /// Most final reads of acknowledged writes at once.
    pub final_read_concurrency: u32,
    /// What decides the verdict, as written in the profile.
    pub thresholds: Vec<Threshold>,
}

impl Workload {
    /// Why it cannot be driven; one line for each reason.
    pub(crate) fn problems(&self) -> Vec<String> {
        let Self { users, organisations, .. } = self;
        if organisations <= users {
            return Vec::new();
        }
        vec![format!("{users} users cannot be spread over {organisations} organisations; each needs at least one")]
    }
}

/// How arrivals are decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Every user sends its next call when the last one is answered and `think_time` has passed.
    Closed {
        /// Pause of a user between two calls.
        think_time: Duration,
    },
    /// One shared arrival schedule; latency counts from the planned start.
    Open {
        /// Rate over time, linear from the end of one stage to the end of the next.
        stages: Vec<Stage>,
    },
}

/// Part of an arrival schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Rate at its start, arrivals per second.
    pub from_per_second: f64,
    /// Rate at its end, arrivals per second.
    pub to_per_second: f64,
    /// How long it lasts.
    pub duration: Duration,
}
