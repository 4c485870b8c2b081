//! Names of the files in `runs/<id>/`. They contain everything that is needed to judge the run and to render its
//! reports again.

/// The resolved plan ([`crate::drive::Plan`]).
pub const PLAN: &str = "plan.json";
/// One operation per line ([`harness_history::Op`]). A long history continues in `history.jsonl.0002` and so on ([`super::history_files`]).
pub const HISTORY: &str = "history.jsonl";
/// One sample of CPU and memory per part and second ([`crate::observe::sample::Sample`]).
pub const SAMPLES: &str = "samples.jsonl";
/// One expectation of a scenario per line ([`harness_history::Expectation`]).
pub const EXPECTATIONS: &str = "expectations.jsonl";
/// End of a scenario ([`crate::drive::scenario::ScenarioReport`]).
pub const SCENARIO: &str = "scenario.json";
/// One result of a hardening check per line ([`crate::drive::hardening::CheckRecord`]).
pub const HARDENING: &str = "hardening.jsonl";
/// Events of an experiment other than its calls ([`harness_history::experiment::Experiment`]).
pub const EXPERIMENT: &str = "experiment.json";
/// Stalls of the harness, and spans in which others used the machine ([`harness_history::Conditions`]). Runs of older versions have none.
pub const CONDITIONS: &str = "conditions.json";
/// Undo log of the faults ([`crate::fault::recover`]).
pub const UNDO: &str = "undo.jsonl";
/// Report of the driver ([`crate::drive::DriverReport`]).
pub const DRIVER: &str = "driver.json";
/// Versions, and the machine ([`crate::observe::sample::Surroundings`]).
pub const SURROUNDINGS: &str = "surroundings.json";
/// Record of a gate ([`crate::report::gate::record::GateRecord`]); a gate has no plan.
pub const GATE: &str = "gate.json";
/// The runs of a gate: `runs/<id>/`.
pub const RUNS: &str = "runs";
/// Checksums of the record ([`crate::plan::seal`]); written when the run has ended.
pub const MANIFEST: &str = "manifest.json";
/// Locked by the harness while the run is in progress.
pub const LOCK: &str = "lock";
/// Folder of the metrics of each service, before and after the load or the faults: `metrics/<part>-{before,after}.prom`.
pub const METRICS: &str = "metrics";
/// File in the folder of the metrics, for loads and experiments: one scrape of one service per line ([`crate::observe::pages`]).
pub const PAGES: &str = "pages.jsonl";
/// Folder of the logs: `logs/<part>.log`.
pub const LOGS: &str = "logs";
/// The findings (a JSON array of [`harness_history::Finding`]).
pub const FINDINGS: &str = "findings.json";
/// The report for programs.
pub const REPORT_JSON: &str = "report.json";
/// The report for people.
pub const REPORT_HTML: &str = "report.html";
/// The report for a CI summary.
pub const REPORT_MARKDOWN: &str = "report.md";
/// The report for test viewers (JUnit).
pub const JUNIT: &str = "junit.xml";
/// The failures of a hardening run for code scanning (SARIF 2.1.0).
pub const SARIF: &str = "report.sarif";
/// What to fix after a hardening run.
pub const FIX: &str = "fix.md";
