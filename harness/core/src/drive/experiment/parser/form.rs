//! The form of an experiment's file: its schema (docs/experiment.schema.json), its checks and its values all come from the structs below. A new
//! key is one field.

use crate::drive::experiment::{CountedEdge, CounterName, Limited};
use crate::drive::traffic::operations::names;
use crate::plan::ProvidedFile;
use crate::plan::data_file::MAX_RATE;
use crate::plan::data_file::form::{self, Length, Thresholds};
use crate::plan::target_form::{OperationForm, TargetForm};
use crate::plan::topology::Store;
use harness_history::experiment::ReadyWord;
use indexmap::IndexMap;
use mcp_contracts::{Service, env};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An experiment: a stack, a steady load, faults, and what must hold before, during and after them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Experiment")]
pub(super) struct ExperimentForm {
    /// Its number in the catalogue, such as `R1`.
    pub(super) id: String,
    /// What it shows, in one sentence.
    pub(super) about: String,
    /// What runs: memory alone, every service, or a server of any maker (`target`).
    #[schemars(extend("default" = "full"))]
    pub(super) stack: StackName,
    /// The server of `stack = "target"`; the command line names it if omitted.
    pub(super) target: Option<TargetForm>,
    /// The calls of a load on a target; the command line has them if omitted.
    #[schemars(extend("default" = []))]
    pub(super) operation: Vec<OperationForm>,
    /// True if the services reach Redis by TLS.
    #[schemars(extend("default" = false))]
    pub(super) redis_tls: bool,
    /// The store of memory. With `postgres` the harness starts a server of the packages of this machine.
    #[schemars(extend("default" = "sqlite"))]
    pub(super) store: Store,
    /// Number of instances of a service, if more than one.
    #[schemars(schema_with = "instances")]
    pub(super) instances: IndexMap<Service, u32>,
    /// Settings of all services; `[settings.SERVICE]` has the settings of one service.
    #[schemars(schema_with = "settings")]
    pub(super) settings: IndexMap<String, Setting>,
    /// Files of rules and patterns that exist from the start.
    #[schemars(extend("default" = []))]
    pub(super) given: Vec<ProvidedFile>,
    /// The load.
    pub(super) load: LoadForm,
    /// Organisations that call more often than their limit allows.
    #[schemars(extend("default" = []))]
    pub(super) limited: Vec<Limited>,
    /// A temporary higher rate.
    pub(super) surge: Option<SurgeForm>,
    /// Load before the fault.
    #[schemars(extend("default" = "6s", "x-at-least" = "1s", "x-at-most" = "15m"))]
    pub(super) steady: Length,
    /// Load after the last fault is healed.
    #[schemars(extend("default" = "8s", "x-at-least" = "1s", "x-at-most" = "15m"))]
    pub(super) recovery: Length,
    /// At least one table `[[fault]]`.
    #[schemars(length(min = 1))]
    pub(super) fault: Vec<FaultForm>,
    /// What counts the requests that a fault hit, if neither the fault nor the clients can.
    pub(super) evidence: Option<CounterName>,
    /// Edges whose requests are compared with the calls that need them.
    #[schemars(extend("default" = []))]
    pub(super) ways: Vec<CountedEdge>,
    /// Thresholds before the fault; if they do not hold, the experiment proves nothing.
    #[schemars(schema_with = "thresholds")]
    pub(super) before: Thresholds,
    /// Thresholds during the fault.
    #[schemars(schema_with = "thresholds")]
    pub(super) during: Thresholds,
    /// Thresholds once the stack is steady again.
    #[schemars(schema_with = "thresholds")]
    pub(super) after: Thresholds,
    /// What else must hold.
    #[schemars(extend("default" = {}))]
    pub(super) expect: Expect,
    /// Standing checks that must come to a decision.
    #[schemars(extend("default" = [], "items" = { "type": "string", "format": "standing check" }))]
    pub(super) requires: Vec<String>,
    /// The lies that it must catch, such as `memory=acknowledge-before-commit`.
    #[schemars(extend("default" = []))]
    pub(super) catches: Vec<String>,
    /// The alerts of `infra/observe/alerts.yml` that it makes fire, and no others: `infra/observe/replay` evaluates them. Omitted: not compared.
    pub(super) alerts: Option<Vec<String>>,
    /// When a run that goes worse than planned is stopped.
    #[schemars(extend("default" = {}))]
    pub(super) abort: AbortForm,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StackName {
    Memory,
    Full,
    Target,
}

/// The value of a setting, or the settings of one service.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Setting {
    Number(i64),
    Text(String),
    OfService(IndexMap<String, Self>),
}

impl Setting {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::OfService(_) => String::new(),
        }
    }
}

/// Arrivals at a constant rate; the next free user takes each arrival.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Load")]
pub(super) struct LoadForm {
    /// Arrivals per second.
    #[schemars(extend("default" = 50.0, "exclusiveMinimum" = 0, "maximum" = MAX_RATE))]
    pub(super) rate: f64,
    /// Number of users; each has one connection to each part.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 24))]
    pub(super) users: u32,
    /// Number of organisations that the users are spread over: 8 by default, and at most one for each user.
    #[schemars(range(min = 1, max = 1_000))]
    pub(super) organisations: Option<u32>,
    /// Deadline of one call.
    #[schemars(extend("default" = "3s", "x-at-least" = "10ms", "x-at-most" = "1m"))]
    pub(super) call_deadline: Length,
    /// Weights by operation; a load on a target has its weights in `[[operation]]`.
    #[schemars(schema_with = "weights")]
    pub(super) mix: BTreeMap<String, u32>,
}

/// A temporary higher rate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Surge")]
pub(super) struct SurgeForm {
    /// Factor by which the rate is multiplied.
    #[schemars(extend("default" = 5.0, "exclusiveMinimum" = 0, "maximum" = MAX_RATE))]
    pub(super) times: f64,
    /// Time from the beginning of the fault phase to the surge.
    #[schemars(extend("default" = "0s", "x-at-least" = "0s", "x-at-most" = "15m"))]
    pub(super) after: Length,
    /// How long it lasts.
    #[schemars(extend("x-at-least" = "1s", "x-at-most" = "15m"))]
    pub(super) lasts: Length,
}

/// A fault and its times; docs/adding-an-experiment.md lists every kind with its keys.
// Without `deny_unknown_fields`, which serde does not combine with `flatten`. The type of the kind rejects unknown keys.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Fault")]
pub(super) struct FaultForm {
    /// From the beginning of the fault phase to the first injection.
    #[schemars(extend("default" = "0s", "x-at-least" = "0s", "x-at-most" = "1h"))]
    pub(super) after: Length,
    /// From each injection until it is healed.
    #[schemars(extend("x-at-least" = "1ms", "x-at-most" = "1h"))]
    pub(super) lasts: Length,
    /// Number of injections, one after another.
    #[schemars(range(min = 1, max = 1_000), extend("default" = 1))]
    pub(super) times: u32,
    /// From one injection to the next.
    #[schemars(extend("x-at-least" = "1ms", "x-at-most" = "1h"))]
    pub(super) every: Option<Length>,
    /// The kind and its own keys, which its type reads.
    #[serde(flatten)]
    pub(super) kind: serde_json::Map<String, serde_json::Value>,
}

/// What must hold beside the thresholds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// Errors that clients may get: groups such as `quota`, statuses such as `http_503`, codes of tools.
    #[schemars(extend("default" = []))]
    pub(super) errors: Vec<String>,
    /// Maximum duration of a call; by default 100 ms more than its deadline.
    #[schemars(extend("x-at-least" = "0s", "x-at-most" = "1h"))]
    pub(super) call_bound: Option<Length>,
    /// Rate and latency must be as before the fault within this time.
    #[schemars(extend("default" = "5s", "x-at-least" = "0s", "x-at-most" = "1h"))]
    pub(super) recovery: Length,
    /// Minimum number of requests that each fault must hit.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 30))]
    pub(super) least_hits: u32,
    /// Maximum number of requests on an edge of `ways` for each call that needs it.
    #[schemars(extend("default" = 1.5, "exclusiveMinimum" = 0))]
    pub(super) amplification: f64,
    /// Minimum share of the planned arrivals before the fault that must succeed.
    #[schemars(extend("default" = 0.95, "exclusiveMinimum" = 0))]
    pub(super) baseline: f64,
    /// What parts must report during the fault.
    #[schemars(extend("default" = []))]
    pub(super) readiness: Vec<ReadinessForm>,
    /// Minimum time that a stopped part reports *not ready* before it exits.
    #[schemars(extend("x-at-least" = "1ms", "x-at-most" = "1m"))]
    pub(super) notice: Option<Length>,
    /// Memory must have the outcome of every acknowledged workflow, once, this long after the load.
    #[schemars(extend("x-at-least" = "1s", "x-at-most" = "1m"))]
    pub(super) remembered: Option<Length>,
    /// What counters must show.
    #[schemars(extend("default" = []))]
    pub(super) counters: Vec<CounterForm>,
    /// Maximum time from the change of a file until it is in force.
    #[schemars(extend("x-at-least" = "1ms", "x-at-most" = "1m"))]
    pub(super) in_force: Option<Length>,
    /// Ids of patterns that the changed file no longer has.
    #[schemars(extend("default" = []))]
    pub(super) withdrawn: Vec<String>,
}

/// What a part must report during the fault.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Readiness")]
pub(super) struct ReadinessForm {
    /// The part.
    pub(super) part: String,
    /// What it must report; `gone` means that it does not answer.
    #[schemars(with = "String", extend("enum" = ["ready", "degraded", "not_ready", "gone"]))]
    pub(super) says: ReadyWord,
    /// Maximum time from the fault until it reports that.
    #[schemars(extend("default" = "2s"))]
    pub(super) within: Length,
}

/// What a counter must show: exactly one of `growth`, `during` and `after`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Counter")]
pub(super) struct CounterForm {
    /// The part.
    pub(super) part: String,
    /// Name of the metric.
    pub(super) metric: String,
    /// Labels that it must have; series with these labels are summed.
    #[schemars(extend("default" = {}))]
    pub(super) labels: BTreeMap<String, String>,
    /// Bound on its growth, such as `>= 30`.
    #[schemars(extend("format" = "comparison"))]
    pub(super) growth: Option<String>,
    /// Bound on its value during the fault.
    #[schemars(extend("format" = "comparison"))]
    pub(super) during: Option<String>,
    /// Bound on its value at the end.
    #[schemars(extend("format" = "comparison"))]
    pub(super) after: Option<String>,
}

/// When a run that goes worse than planned is stopped.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Abort")]
pub(super) struct AbortForm {
    /// Share of calls with an error that the experiment does not allow.
    #[schemars(extend("default" = 0.9, "exclusiveMinimum" = 0, "maximum" = 1))]
    pub(super) error_share: f64,
    /// Length of the period before now whose calls are counted.
    #[schemars(extend("default" = "5s", "x-at-least" = "1s", "x-at-most" = "15m"))]
    pub(super) within: Length,
}

// Omitted by a load on a target; the parser reports it for the others.
fn weights(_: &mut SchemaGenerator) -> Schema {
    let mut schema = form::weights(&names());
    schema.insert("default".to_owned(), serde_json::json!({}));
    schema
}

fn thresholds(_: &mut SchemaGenerator) -> Schema {
    form::thresholds(&names())
}

fn instances(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "default": {},
        "propertyNames": { "enum": Service::ALL.map(Service::name) },
        "additionalProperties": { "type": "integer", "minimum": 1, "maximum": 8 },
    })
}

fn settings(_: &mut SchemaGenerator) -> Schema {
    let variables: Vec<&str> = env::ALL.iter().map(|variable| variable.name).collect();
    let one = json_schema!({
        "type": "object",
        "propertyNames": { "enum": variables },
        "additionalProperties": { "type": ["string", "integer"] },
    });
    let services: serde_json::Map<_, _> =
        Service::ALL.iter().map(|service| (service.name().to_owned(), one.clone().to_value())).collect();
    let known: Vec<&str> = variables.iter().copied().chain(Service::ALL.map(Service::name)).collect();
    json_schema!({
        "type": "object",
        "default": {},
        "properties": services,
        "propertyNames": { "enum": known },
        "additionalProperties": { "type": ["string", "integer"] },
    })
}
