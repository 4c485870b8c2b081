//! The content of a gate's `report.json`. Its schema is published, so fields may be added but never renamed.

use crate::report::figures::{
    ExperimentFigures, FindingFigures, OperationFigures, SurroundingFigures, ThresholdFigures,
};
use schemars::JsonSchema;
use serde::Serialize;

/// A gate in figures.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GateSummary {
    /// Version of the format of this document.
    pub format: u32,
    /// `gate`.
    pub kind: String,
    /// Identity of the gate.
    pub run_id: String,
    /// `pass`, `unknown`, `fail`, `error` or `interrupted`.
    pub verdict: String,
    /// The reason of the verdict, in one sentence.
    pub because: String,
    /// Every run that does not pass, in the order of the phases.
    pub reasons: Vec<GateReason>,
    /// True if the gate was interrupted.
    pub interrupted: bool,
    /// Its profile.
    pub profile: String,
    /// Seed of all its runs.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// Start time (RFC 3339, UTC).
    pub started_at: String,
    /// Duration, in seconds.
    pub took_secs: f64,
    /// Versions and machine, from the first run that recorded them.
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
    /// Its verdict.
    pub verdict: String,
    /// Why, in one sentence.
    pub because: String,
    /// Path of its report, relative to the directory of the gate.
    pub report: Option<String>,
}

/// A phase of a gate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GatePhase {
    /// `snapshot`, `scenarios`, `load`, `experiments` or `hardening`.
    pub name: String,
    /// The word for one of its runs.
    pub one: String,
    /// The worst of its runs.
    pub verdict: String,
    /// Runs that pass.
    pub passed: u64,
    /// Duration, in seconds.
    pub took_secs: f64,
    /// Its runs, in their order.
    pub runs: Vec<GateRun>,
}

/// A run of a gate.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GateRun {
    /// Name of the service, the scenario, the workload or the experiment.
    pub name: String,
    /// Its purpose.
    pub about: String,
    /// `pass`, `unknown`, `fail`, `error`, `interrupted` or `not run`.
    pub verdict: String,
    /// Why, in one sentence.
    pub because: String,
    /// Duration including its stack, in seconds.
    pub took_secs: f64,
    /// Path of its report, relative to the directory of the gate; missing if there is none.
    pub report: Option<String>,
    /// The command that repeats this run.
    pub command: Option<String>,
    /// Finding of each check.
    pub findings: Vec<FindingFigures>,
    /// Result of each threshold.
    pub thresholds: Vec<ThresholdFigures>,
    /// Its measured calls.
    pub total: OperationFigures,
    /// Faults and recovery; missing if the run is not an experiment.
    pub experiment: Option<ExperimentFigures>,
}
