//! The figures of a gate: what its `report.json` holds. Its schema is published, so fields are added and never renamed.

use crate::report::figures::{
    ExperimentFigures, FindingFigures, OperationFigures, SurroundingFigures, ThresholdFigures,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A gate in figures.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GateSummary {
    /// Version of this document's form.
    pub format: u32,
    /// `gate`.
    pub kind: String,
    /// Identity of the gate.
    pub run_id: String,
    /// `pass`, `unknown`, `fail`, `error` or `interrupted`.
    pub verdict: String,
    /// The one sentence why.
    pub because: String,
    /// Every run that does not pass, in the order of the phases.
    pub reasons: Vec<GateReason>,
    /// True where the gate was interrupted.
    pub interrupted: bool,
    /// Its profile.
    pub profile: String,
    /// Seed of all its runs.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// How long it took, in seconds.
    pub took_secs: f64,
    /// Versions and machine, from the first run that has them.
    pub surroundings: Option<SurroundingFigures>,
    /// Its phases, in their order.
    pub phases: Vec<GatePhase>,
}

/// Why a gate does not pass.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GateReason {
    /// The phase.
    pub phase: String,
    /// The run.
    pub name: String,
    /// What it ended with.
    pub verdict: String,
    /// Why, in one sentence.
    pub because: String,
    /// Its report, from the directory of the gate.
    pub report: Option<String>,
}

/// A phase of a gate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GatePhase {
    /// `scenarios`, `load` or `experiments`.
    pub name: String,
    /// The word for one of its runs.
    pub one: String,
    /// The worst of its runs.
    pub verdict: String,
    /// Runs that pass.
    pub passed: u64,
    /// How long it took, in seconds.
    pub took_secs: f64,
    /// Its runs, in their order.
    pub runs: Vec<GateRun>,
}

/// A run of a gate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GateRun {
    /// Name of the scenario, the workload or the experiment.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// `pass`, `unknown`, `fail`, `error`, `interrupted` or `not run`.
    pub verdict: String,
    /// Why, in one sentence.
    pub because: String,
    /// How long it took, its stack included, in seconds.
    pub took_secs: f64,
    /// Its own report, from the directory of the gate; absent where there is none.
    pub report: Option<String>,
    /// The command that repeats it alone.
    pub command: Option<String>,
    /// What each check said.
    pub findings: Vec<FindingFigures>,
    /// What came of each threshold.
    pub thresholds: Vec<ThresholdFigures>,
    /// Its measured calls.
    pub total: OperationFigures,
    /// What was done to the stack; absent where the run is no experiment.
    pub experiment: Option<ExperimentFigures>,
}
