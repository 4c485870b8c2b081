//! An experiment: a stack under a steady load, a fault, and the conditions that must hold before, during and after it.
//! This file has the data that a plan keeps. `parser` parses the files, `traffic` is the load, and `crate::run::chaos`
//! runs the experiment.

mod library;
mod outcomes;
mod parser;
pub(crate) mod traffic;

pub use library::{BUILT_IN, ExperimentError, all, find, read};
pub use parser::schema;

use crate::fault::ScheduledFault;
use crate::plan::ProvidedFile;
use crate::plan::data_file::MAX_RATE;
use crate::plan::operation::OperationData;
use crate::plan::target::{TARGET, Target};
use crate::plan::topology::Topology;
use harness_history::experiment::Promises;
use mcp_contracts::Plan as PaidPlan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// An experiment with every default filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Name of its file, such as `redis-outage`.
    pub name: String,
    /// Number in the catalogue, such as `R1`.
    pub id: String,
    /// What it shows, in one sentence.
    pub about: String,
    pub topology: Topology,
    /// The server that its file names; `None` if the stack is one of this product, or the command line names the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Box<Target>>,
    /// Files of rules and patterns that the services have at the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<ProvidedFile>,
    pub load: Load,
    /// Duration of the load before the fault.
    pub steady: Duration,
    pub faults: Vec<ScheduledFault>,
    /// Duration of the load after the last fault was healed.
    pub recovery: Duration,
    /// Counter of the requests that a fault hit, if neither the fault nor the callers can count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<CounterName>,
    /// Edges whose number of requests is compared with the number of calls that need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<CountedEdge>,
    pub promises: Promises,
    /// Memory must have the outcome of every acknowledged workflow this long after the load; `None`: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<Duration>,
    /// Standing checks that must not end without a decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// Lies that it catches, as `service=lie`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catches: Vec<String>,
    /// The alerts that it makes fire, and no others; `None`: not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<String>>,
    pub abort: Abort,
}

/// The load of an experiment: arrivals at one rate, each taken by the next free user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Arrivals per second.
    pub rate: f64,
    /// Number of users, each with its own connection to each part.
    pub users: u32,
    /// Number of organisations that the users are spread over.
    pub organisations: u32,
    /// Deadline of one call.
    pub call_deadline: Duration,
    /// Weight of each operation.
    pub mix: BTreeMap<String, u32>,
    /// The operations of a load on a target; empty if the stack is one of this product, whose operations are built in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationData>,
    /// Organisations that exceed their limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<Limited>,
    /// Temporary additional load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge: Option<Surge>,
}

/// An organisation that sends more calls to memory than its limit allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limited {
    #[schemars(extend("default" = "limited"))]
    pub organisation: String,
    #[schemars(extend("default" = "free"))]
    pub plan: PaidPlan,
    /// Calls per second.
    #[schemars(extend("default" = 10.0, "exclusiveMinimum" = 0, "maximum" = MAX_RATE))]
    pub rate: f64,
    /// Maximum number of its calls that may be admitted in the whole run.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub limit: u64,
}

/// A temporary higher rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Surge {
    /// Factor by which the rate is multiplied.
    pub times: f64,
    /// Time from the beginning of the fault phase to the surge.
    pub after: Duration,
    pub lasts: Duration,
}

/// A counter of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CounterName {
    pub part: String,
    pub metric: String,
    /// Labels that are summed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// An edge between two parts whose requests are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CountedEdge {
    pub from: String,
    pub to: String,
    /// Operations of the load that need it.
    #[schemars(extend("default" = []))]
    pub operations: Vec<String>,
    /// Requests on the edge for each such call, without retries.
    #[schemars(range(min = 1, max = 20), extend("default" = 1))]
    pub each: u32,
}

/// When a run that goes worse than planned is stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// Share of calls with an error that the experiment does not allow.
    pub error_share: f64,
    /// Length of the period before now whose calls are counted.
    pub within: Duration,
}

impl Experiment {
    /// Returns true if it is on a server that is none of this product.
    pub fn is_on_target(&self) -> bool {
        self.topology.part(TARGET).is_some()
    }

    /// Returns the planned time from the start of the fault phase until the last fault is healed.
    pub fn fault_length(&self) -> Duration {
        self.faults.iter().map(end_of).max().unwrap_or_default()
    }

    /// Returns the planned duration of the load.
    pub fn length(&self) -> Duration {
        self.steady + self.fault_length() + self.recovery
    }
}

/// Returns the planned time from the beginning of the fault phase until the last injection of a fault is healed.
fn end_of(scheduled: &ScheduledFault) -> Duration {
    scheduled.after + scheduled.every * scheduled.times.saturating_sub(1) + scheduled.lasts
}
