//! An experiment: a stack under a steady load, a fault, and what must hold before, during and after it. Here is the data that a plan keeps;
//! files are read in `parser`, the load is `traffic`, and the run itself is `crate::run::chaos`.

mod library;
mod parser;
pub(crate) mod traffic;

pub use library::{BUILT_IN, ExperimentError, all, find, read};
pub use parser::schema;

use crate::fault::FaultOrder;
use crate::plan::ProvidedFile;
use crate::plan::data_file::MAX_RATE;
use crate::plan::topology::Topology;
use harness_history::experiment::Promises;
use mcp_contracts::Plan as PaidPlan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// An experiment, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Name of its file, such as `redis-outage`.
    pub name: String,
    /// Its number in the catalogue, such as `R1`.
    pub id: String,
    /// What it shows, in one sentence.
    pub about: String,
    /// What the stack consists of.
    pub topology: Topology,
    /// Files of rules and patterns that are there at the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<ProvidedFile>,
    /// The load.
    pub load: Load,
    /// How long the load runs before the fault.
    pub steady: Duration,
    /// The faults.
    pub faults: Vec<FaultOrder>,
    /// How long the load runs after the last fault was healed.
    pub recovery: Duration,
    /// What counts the requests that a fault hit, where neither the fault nor the callers can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<CounterName>,
    /// Ways whose requests are counted against the calls that need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<WayWish>,
    /// What must hold.
    pub promises: Promises,
    /// Standing checks that must come to a decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// The lies that it catches, as `service=lie`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catches: Vec<String>,
    /// The run ends where more calls than this share fail for as long as [`Abort::within`].
    pub abort: Abort,
}

/// The load of an experiment: arrivals at one rate, taken by the next user that is free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Arrivals per second.
    pub rate: f64,
    /// Users, each with a connection of its own to each part.
    pub users: u32,
    /// Organisations that they are spread over.
    pub organisations: u32,
    /// Deadline of one call.
    pub call_deadline: Duration,
    /// Operation to its weight.
    pub mix: BTreeMap<String, u32>,
    /// Organisations that ask for more than their limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<Limited>,
    /// Load on top, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<Surge>,
}

/// An organisation that asks memory for more than its limit allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limited {
    /// The organisation.
    #[schemars(extend("default" = "limited"))]
    pub organisation: String,
    /// Its plan.
    #[schemars(extend("default" = "free"))]
    pub plan: PaidPlan,
    /// Calls per second.
    #[schemars(extend("default" = 10.0, "exclusiveMinimum" = 0, "maximum" = MAX_RATE))]
    pub rate: f64,
    /// Calls that it may have admitted in the whole run.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub limit: u64,
}

/// Load on top of the rate for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Surge {
    /// How many times the rate.
    pub times: f64,
    /// How long after the fault phase began.
    pub after: Duration,
    /// How long.
    pub lasts: Duration,
}

/// A counter of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CounterName {
    /// The part.
    pub part: String,
    /// Name of the metric.
    pub metric: String,
    /// Labels that are summed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A way whose requests are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WayWish {
    /// From this part.
    pub from: String,
    /// To that part.
    pub to: String,
    /// Operations of callers that need it.
    #[schemars(extend("default" = []))]
    pub operations: Vec<String>,
    /// Requests on the way that one such call makes where nothing is repeated.
    #[schemars(range(min = 1, max = 20), extend("default" = 1))]
    pub each: u32,
}

/// When a run that gets worse than planned is stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// Share of calls that fail otherwise than the experiment allows.
    pub error_share: f64,
    /// Calls of the last so long.
    pub within: Duration,
}

impl Experiment {
    /// From the injection of the first fault until the last one is healed, as planned.
    pub fn fault_length(&self) -> Duration {
        self.faults.iter().map(end_of).max().unwrap_or_default()
    }

    /// How long the load runs, as planned.
    pub fn length(&self) -> Duration {
        self.steady + self.fault_length() + self.recovery
    }
}

/// When the last injection of a fault is healed, counted from the beginning of the fault phase.
fn end_of(order: &FaultOrder) -> Duration {
    order.after + order.every * order.times.saturating_sub(1) + order.lasts
}
