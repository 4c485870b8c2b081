//! Names of the files in `runs/<id>/`, in one place. All that is needed to judge and render a run again is in there.

/// The resolved plan ([`crate::drive::Plan`]).
pub const PLAN: &str = "plan.json";
/// One operation per line ([`harness_history::Op`]).
pub const HISTORY: &str = "history.jsonl";
/// One sample of CPU and memory per part and second ([`crate::observe::sample::Sample`]).
pub const SAMPLES: &str = "samples.jsonl";
/// One expectation of a scenario per line ([`harness_history::Expectation`]).
pub const EXPECTATIONS: &str = "expectations.jsonl";
/// How a scenario ended ([`crate::drive::scenario::ScenarioReport`]).
pub const SCENARIO: &str = "scenario.json";
/// What happened in an experiment beside its calls ([`harness_history::experiment::Experiment`]).
pub const EXPERIMENT: &str = "experiment.json";
/// What faults would have to be undone, and which are ([`crate::fault::recover`]).
pub const UNDO: &str = "undo.jsonl";
/// What the driver says of itself ([`crate::drive::DriverReport`]).
pub const DRIVER: &str = "driver.json";
/// Versions and machine ([`crate::observe::sample::Surroundings`]).
pub const SURROUNDINGS: &str = "surroundings.json";
/// What a gate did ([`crate::report::gate::record::GateRecord`]), in place of a plan.
pub const GATE: &str = "gate.json";
/// The runs of a gate: `runs/<id>/`.
pub const RUNS: &str = "runs";
/// Checksums of everything that was recorded ([`crate::plan::seal`]); there once the run has come to its end.
pub const MANIFEST: &str = "manifest.json";
/// Held by the harness whose run it is, as long as it works in there.
pub const LOCK: &str = "lock";
/// Metrics of each service before and after: `metrics/<part>-{before,after}.prom`.
pub const METRICS: &str = "metrics";
/// Logs of each part: `logs/<part>.log`.
pub const LOGS: &str = "logs";
/// The findings ([`harness_history::Finding`], a JSON array).
pub const FINDINGS: &str = "findings.json";
/// The report for programs.
pub const REPORT_JSON: &str = "report.json";
/// The report for people.
pub const REPORT_HTML: &str = "report.html";
/// The report for a CI summary.
pub const REPORT_MARKDOWN: &str = "report.md";
/// The report for test viewers.
pub const JUNIT: &str = "junit.xml";
