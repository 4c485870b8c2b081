//! The content of `report.json`. Its schema is published, so fields may be added but never renamed.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A run in figures.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Summary {
    /// Version of the format of this document.
    pub format: u32,
    /// Identity of the run.
    pub run_id: String,
    /// `pass`, `unknown` or `fail`.
    pub verdict: String,
    /// The reason of the verdict, in one sentence.
    pub because: String,
    /// True if the run was interrupted, so that everything here is partial.
    pub interrupted: bool,
    /// The plan of the run.
    pub plan: PlanFigures,
    /// Versions and machine.
    pub surroundings: SurroundingFigures,
    /// Finding of each check.
    pub findings: Vec<FindingFigures>,
    /// Result of each threshold.
    pub thresholds: Vec<ThresholdFigures>,
    /// All operations together.
    pub total: OperationFigures,
    /// Each operation by name.
    pub operations: BTreeMap<String, OperationFigures>,
    /// Number of calls in each phase.
    pub phases: BTreeMap<String, u64>,
    /// One entry for each second of the warm-up and of the measured phase.
    pub seconds: Vec<SecondFigures>,
    /// CPU and memory of each part and of the driver.
    pub parts: BTreeMap<String, PartFigures>,
    /// Report of the driver about itself.
    pub driver: Option<DriverFigures>,
    /// Expectations of a scenario, in their order.
    pub expectations: Vec<ExpectationFigures>,
    /// Faults and recovery; missing if the run is not an experiment.
    pub experiment: Option<ExperimentFigures>,
    /// Every hardening check; missing if the run is not one of hardening.
    pub hardening: Option<HardeningFigures>,
}

/// The checks of a hardening run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HardeningFigures {
    /// URL of the server, if it is none of this product.
    pub target: Option<String>,
    /// Every check that was made, in the order of the catalogue.
    pub checks: Vec<CheckFigures>,
    /// Every check that was not made, with the reason.
    pub omitted: Vec<OmittedFigures>,
}

/// One hardening check.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CheckFigures {
    /// Stable id.
    pub id: String,
    /// What a stack that passes does.
    pub title: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// Severity from 0.1 to 10.0.
    pub score: f64,
    /// `pass`, `fail`, `unknown` or `not applicable`.
    pub state: String,
    /// The result in one sentence.
    pub summary: String,
    /// The check with the same cause, if another finding contains this failure.
    pub same_cause_as: Option<String>,
    /// What an attacker gains.
    pub why: String,
    /// Specifications and catalogues.
    pub sources: Vec<String>,
    /// How it is tested.
    pub how: String,
    /// How to fix a failure.
    pub remedy: String,
    /// Files in which the failure is fixed; empty if the files of the server are not known.
    pub mend: Vec<String>,
    /// The command that makes this check alone.
    pub repeat: String,
    /// Number of cases.
    pub cases: u64,
    /// Number of control requests.
    pub controls: u64,
    /// Number of attempts.
    pub attempts: u32,
    /// Duration, in seconds.
    pub took_secs: f64,
    /// What was handled wrongly.
    pub violations: Vec<ViolationFigures>,
    /// What could not be decided.
    pub doubts: Vec<String>,
}

/// A case that was handled wrongly in every attempt.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ViolationFigures {
    /// What was tried, and where.
    pub case: String,
    /// The file of the repository that shows it; missing if requests show it.
    pub file: Option<String>,
    /// Independent signs that it was handled wrongly.
    pub signs: Vec<String>,
    /// Requests and replies; secrets are masked.
    pub exchanges: Vec<ExchangeFigures>,
}

/// A request and its reply.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExchangeFigures {
    /// The request.
    pub request: String,
    /// The reply.
    pub reply: String,
    /// The command that repeats the request, if curl can send it; the variable TOKEN holds the token.
    pub curl: Option<String>,
}

/// A check that was not made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OmittedFigures {
    /// Stable id.
    pub id: String,
    /// What a stack that passes does.
    pub title: String,
    /// `skipped` or `not applicable`.
    pub state: String,
    /// The reason of the user, or what is missing.
    pub why: String,
}

/// The faults of an experiment and the recovery of the stack. Times are seconds of the run's clock.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExperimentFigures {
    /// Every fault, in the order of injection.
    pub faults: Vec<FaultFigures>,
    /// From the injection of the first fault until a caller noticed it, in microseconds; missing if no caller noticed it.
    pub detect_us: Option<u64>,
    /// From the end of the last fault until the first successful call, in microseconds.
    pub first_success_us: Option<u64>,
    /// From the end of the last fault until rate and latency were back at their values before it, in microseconds.
    pub steady_us: Option<u64>,
    /// Requests on edges between parts, retries included.
    pub ways: Vec<EdgeFigures>,
}

/// One injection of a fault.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FaultFigures {
    /// Kind and target, such as `kill redis`.
    pub name: String,
    /// When it took effect.
    pub from: f64,
    /// When it ended; missing if it never did.
    pub until: Option<f64>,
    /// Number of requests that it provably hit; missing if nothing counts them.
    pub hits: Option<u64>,
    /// What counted the hits.
    pub counted_by: String,
}

/// Requests on an edge.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EdgeFigures {
    /// The edge, such as `orchestrator to memory`.
    pub name: String,
    /// Number of requests on the edge.
    pub requests: u64,
    /// Number of requests that the calls need without retries.
    pub calls: u64,
}

/// One expectation of a scenario.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExpectationFigures {
    /// When it was evaluated, in microseconds of the run's clock.
    pub at_us: u64,
    /// What was expected.
    pub expected: String,
    /// `pass` if it held, `fail` if it did not, `unknown` if it could not be evaluated.
    pub verdict: String,
    /// The observed value.
    pub seen: String,
    /// Lines of `history.jsonl` that prove it, counted from 0.
    pub ops: Vec<u64>,
}

/// The plan of the run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlanFigures {
    /// The command that repeats it.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// Where the stack ran.
    pub backend: String,
    /// `load`, `scenario`, `chaos` or `harden`.
    pub subject: String,
    /// Title for people.
    pub title: String,
    /// Its purpose, in one sentence.
    pub about: String,
    /// Name of the workload, the scenario or the experiment.
    pub workload: String,
    /// Number of users.
    pub users: u32,
    /// Number of organisations.
    pub organisations: u32,
    /// `closed`, or the stages of the open model.
    pub model: String,
    /// Length of the warm-up, in seconds.
    pub warmup_secs: f64,
    /// Length of the measured phase, in seconds.
    pub duration_secs: f64,
    /// Share of each operation, in percent of the calls.
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
    /// Number of cores.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Operating system.
    pub system: String,
    /// From the start of the stack until it was ready, in microseconds.
    pub stack_start_us: u64,
}

/// The finding of a check.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FindingFigures {
    /// Name of the check.
    pub check: String,
    /// `pass`, `unknown` or `fail`.
    pub verdict: String,
    /// The finding in one sentence.
    pub summary: String,
    /// Number of facts judged.
    pub judged: u64,
    /// Number of facts that violate the check.
    pub violations: u64,
    /// Evidence of the violations.
    pub evidence: Vec<EvidenceFigures>,
}

/// The result of a threshold.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ThresholdFigures {
    /// The bound, such as `p99<1 s`.
    pub threshold: String,
    /// When it must hold: `measured`, `during the fault` or `after the fault`.
    pub when: String,
    /// `pass`, `unknown` or `fail`.
    pub verdict: String,
    /// The observed value.
    pub summary: String,
}

/// One violation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EvidenceFigures {
    /// Description of the violation.
    pub what: String,
    /// Lines of `history.jsonl`, counted from 0.
    pub ops: Vec<u64>,
    /// The first of these calls, described for people.
    pub calls: Vec<String>,
}

/// Figures of the calls of the measured phase.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct OperationFigures {
    /// Number of calls.
    pub calls: u64,
    /// Number of calls that were ok.
    pub ok: u64,
    /// Calls per second.
    pub per_second: f64,
    /// Share of calls that were not ok.
    pub error_rate: f64,
    /// Number of errors of each kind.
    pub errors: BTreeMap<String, u64>,
    /// Latency; in the open model it counts from the planned start.
    pub latency_us: Percentiles,
    /// Time from the send to the reply.
    pub service_us: Percentiles,
    /// Latency over percentiles, up to the highest percentile that has enough calls.
    pub latency_curve: Vec<CurvePoint>,
}

/// A point of a latency curve.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct CurvePoint {
    /// The percentile.
    pub percentile: f64,
    /// Latency that this share of the calls does not exceed, in microseconds.
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
    /// Maximum.
    pub max: u64,
}

/// One second of the run.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SecondFigures {
    /// Seconds since the start of the run.
    pub at: u64,
    /// True if the second belongs to the measured phase.
    pub measured: bool,
    /// Number of completed calls.
    pub calls: u64,
    /// Number of completed calls that were not ok.
    pub errors: u64,
    /// Latency of the completed calls.
    pub latency_us: Percentiles,
}

/// CPU and memory of a part.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct PartFigures {
    /// CPU time in the measured phase, in microseconds.
    pub cpu_us: u64,
    /// CPU time for 1,000 calls, in microseconds.
    pub cpu_us_per_1000_calls: f64,
    /// Share of a core in the measured phase.
    pub cores: f64,
    /// Highest resident memory, in bytes.
    pub rss_peak_bytes: u64,
    /// Samples: seconds since the start of the run, share of a core, resident bytes.
    pub readings: Vec<(f64, f64, u64)>,
}

/// Report of the driver about itself.
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
    /// Number of arrivals of the schedule.
    pub planned_arrivals: Option<u64>,
    /// Send lag, in microseconds.
    pub send_lag_us_p50: Option<u64>,
    /// See `send_lag_us_p50`.
    pub send_lag_us_p99: Option<u64>,
}
