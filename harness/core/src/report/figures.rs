//! The figures of a run: what `report.json` holds. Its schema is published, so fields are added and never renamed.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A run in figures.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// Version of this document's form.
    pub format: u32,
    /// Identity of the run.
    pub run_id: String,
    /// `pass`, `unknown` or `fail`.
    pub verdict: String,
    /// The one sentence why.
    pub because: String,
    /// True where the run was interrupted and everything here is partial.
    pub interrupted: bool,
    /// What was run.
    pub plan: PlanFigures,
    /// Versions and machine.
    pub surroundings: SurroundingFigures,
    /// What each check said.
    pub findings: Vec<FindingFigures>,
    /// What came of each threshold.
    pub thresholds: Vec<ThresholdFigures>,
    /// Every operation together.
    pub total: OperationFigures,
    /// Each operation by name.
    pub operations: BTreeMap<String, OperationFigures>,
    /// Calls of each phase.
    pub phases: BTreeMap<String, u64>,
    /// One entry for each second of warm-up and measured phase.
    pub seconds: Vec<SecondFigures>,
    /// CPU and memory of each part, the driver among them.
    pub parts: BTreeMap<String, PartFigures>,
    /// What the driver said of itself.
    pub driver: Option<DriverFigures>,
    /// What a scenario expected, in its order.
    pub expectations: Vec<ExpectationFigures>,
    /// What was done to the stack; absent where the run is no experiment.
    pub experiment: Option<ExperimentFigures>,
}

/// What was done to a stack, and how it came back. Times are seconds of the run's clock.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExperimentFigures {
    /// Every fault, in the order of injection.
    pub faults: Vec<FaultFigures>,
    /// From when the first fault was in place until a caller was told of it, in microseconds; absent where nobody was.
    pub detect_us: Option<u64>,
    /// From when the last fault was gone until the first call that ended well, in microseconds.
    pub first_success_us: Option<u64>,
    /// From when the last fault was gone until rate and latency were what they had been, in microseconds.
    pub steady_us: Option<u64>,
    /// Requests on ways between parts, retries among them.
    pub ways: Vec<WayFigures>,
}

/// A fault as it happened.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FaultFigures {
    /// What was done, such as `kill redis`.
    pub name: String,
    /// When it was in place.
    pub from: f64,
    /// When it was gone; absent: it never was.
    pub until: Option<f64>,
    /// Requests that it is proven to have hit; absent where nothing counts them.
    pub hits: Option<u64>,
    /// What counted them.
    pub counted_by: String,
}

/// Requests on a way.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WayFigures {
    /// The way, as `orchestrator to memory`.
    pub name: String,
    /// Requests that passed it.
    pub requests: u64,
    /// Requests that callers' calls need where nothing is repeated.
    pub calls: u64,
}

/// What a scenario expected at one moment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExpectationFigures {
    /// When it was evaluated, in microseconds of the run's clock.
    pub at_us: u64,
    /// What was expected.
    pub expected: String,
    /// `pass` where it held, `fail` where it did not, `unknown` where it could not be evaluated.
    pub verdict: String,
    /// What was seen.
    pub seen: String,
    /// Lines of `history.jsonl` that show it, from 0.
    pub ops: Vec<u64>,
}

/// What was run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlanFigures {
    /// The command that repeats it.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// Where the stack ran.
    pub backend: String,
    /// `load`, `scenario` or `chaos`.
    pub subject: String,
    /// What was run, as a title for people.
    pub title: String,
    /// What it is about, in one sentence.
    pub about: String,
    /// Name of the workload, of the scenario or of the experiment.
    pub workload: String,
    /// Users.
    pub users: u32,
    /// Organisations.
    pub organisations: u32,
    /// `closed`, or the stages of the open model.
    pub model: String,
    /// Warm-up, in seconds.
    pub warmup_secs: f64,
    /// Measured phase, in seconds.
    pub duration_secs: f64,
    /// Operations and their share of the calls, in percent.
    pub mix: BTreeMap<String, f64>,
}

/// Versions and machine.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SurroundingFigures {
    /// Start of the run (RFC 3339, UTC).
    pub started_at: String,
    /// Version of the harness.
    pub harness_version: String,
    /// Version of each part.
    pub part_versions: BTreeMap<String, String>,
    /// Cores.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Operating system.
    pub system: String,
    /// From the start of the stack until it was ready, in microseconds.
    pub stack_start_us: u64,
}

/// What a check said.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FindingFigures {
    /// Name of the check.
    pub check: String,
    /// `pass`, `unknown` or `fail`.
    pub verdict: String,
    /// Its sentence.
    pub summary: String,
    /// Facts judged.
    pub judged: u64,
    /// Facts that violate it.
    pub violations: u64,
    /// What proves it.
    pub evidence: Vec<EvidenceFigures>,
}

/// What came of a threshold.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ThresholdFigures {
    /// The bound, such as `p99<1 s`.
    pub threshold: String,
    /// When it must hold: `measured`, `during the fault` or `after the fault`.
    pub when: String,
    /// `pass`, `unknown` or `fail`.
    pub verdict: String,
    /// What was seen.
    pub summary: String,
}

/// One violation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EvidenceFigures {
    /// What is wrong.
    pub what: String,
    /// Lines of `history.jsonl`, from 0.
    pub ops: Vec<u64>,
    /// The first of these calls in words.
    pub calls: Vec<String>,
}

/// Figures of calls of the measured phase.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct OperationFigures {
    /// Calls.
    pub calls: u64,
    /// Calls that were ok.
    pub ok: u64,
    /// Calls per second.
    pub per_second: f64,
    /// Share of calls that were not ok.
    pub error_rate: f64,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Latency; in the open model from the planned start.
    pub latency_us: Percentiles,
    /// From the send to the reply.
    pub service_us: Percentiles,
    /// Latency over percentiles, as far as there are calls enough to tell them apart.
    pub latency_curve: Vec<CurvePoint>,
}

/// A point of a latency curve.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct CurvePoint {
    /// The percentile.
    pub percentile: f64,
    /// So many microseconds are not exceeded by that share of the calls.
    pub us: u64,
}

/// Percentiles, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 90th.
    pub p90: u64,
    /// 95th.
    pub p95: u64,
    /// 99th.
    pub p99: u64,
    /// 99.9th.
    pub p99_9: u64,
    /// Longest.
    pub max: u64,
}

/// One second of the run.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SecondFigures {
    /// Seconds since the start of the run.
    pub at: u64,
    /// True in the measured phase.
    pub measured: bool,
    /// Calls completed.
    pub calls: u64,
    /// Calls completed that were not ok.
    pub errors: u64,
    /// Latency of the calls completed.
    pub latency_us: Percentiles,
}

/// CPU and memory of a part.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct PartFigures {
    /// CPU time in the measured phase, in microseconds.
    pub cpu_us: u64,
    /// The same for a thousand calls.
    pub cpu_us_per_1000_calls: f64,
    /// Share of a core in the measured phase.
    pub cores: f64,
    /// Highest resident memory, in bytes.
    pub rss_peak_bytes: u64,
    /// Readings: seconds since the start of the run, share of a core, resident bytes.
    pub readings: Vec<(f64, f64, u64)>,
}

/// What the driver said of itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DriverFigures {
    /// CPU time in the measured phase, in microseconds.
    pub cpu_us: u64,
    /// CPU seconds for 100,000 calls.
    pub cpu_secs_per_100k_calls: f64,
    /// Share of a core in its busiest second.
    pub cpu_peak: f64,
    /// Highest resident memory, in bytes.
    pub rss_peak_bytes: u64,
    /// Arrivals that the schedule asked for.
    pub planned_arrivals: Option<u64>,
    /// Send lag, in microseconds.
    pub send_lag_us_p50: Option<u64>,
    /// See `send_lag_us_p50`.
    pub send_lag_us_p99: Option<u64>,
}
