//! Compares the reports of two runs, or of two gates: which checks fail now and did not before, which no longer fail, and what else has changed.

use crate::judge::EVIDENCE_CHECK;
use crate::plan::run_dir;
use crate::plan::seal::verify;
use crate::report::gate::record::{GateRecord, RunEnd, runs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// State of a check that only the other run has.
const MISSING: &str = "missing";
const FAIL: &str = "fail";
const PASS: &str = "pass";
const UNKNOWN: &str = "unknown";
/// State of a run of a gate without a report.
const NO_RESULT: &str = "no result";

/// The differences between two runs. `Serialize` is the output of `harness compare --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub before: ComparedRun,
    pub after: ComparedRun,
    /// Checks whose state differs: first those that fail now, then those that no longer fail, then the others; each group sorted by name.
    pub changes: Vec<Change>,
    /// Number of checks with the same state in both runs.
    pub unchanged: usize,
    /// Names of the checks that fail in both runs.
    pub still_failing: Vec<String>,
    /// Why a report proves nothing, one line each.
    pub doubts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComparedRun {
    pub run_id: String,
    pub verdict: String,
    /// What was run, such as `load memory`; `gate` for a gate.
    pub subject: String,
}

/// A check whose state differs between the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Name of the check; in a gate, the name of the run comes before it.
    pub check: String,
    pub kind: ChangeKind,
    /// `pass`, `unknown`, `fail`, `not applicable`, `skipped` or `missing`.
    pub before: String,
    pub after: String,
    /// The sentence of the newer run or, if it has none, of the older one.
    pub summary: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It fails now and did not before.
    Appeared,
    /// It failed before and passes now.
    Disappeared,
    /// Any other change, such as from *pass* to *unknown*. It includes a failure that the newer run did not judge again.
    Changed,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    #[error("the report `{}` cannot be read: {why}\nhint: `harness report RUN` writes it", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error(
        "`{before}` and `{after}` have no check in common\nhint: compare two runs of the same kind, such as two runs of `harness harden`"
    )]
    NothingInCommon { before: String, after: String },
}

impl Comparison {
    /// Compares two run directories; `before` is the older one.
    ///
    /// # Errors
    /// A report is missing, or the runs have no check in common.
    pub fn of(before: &Path, after: &Path) -> Result<Self, CompareError> {
        let (older, newer) = (Results::read(before)?, Results::read(after)?);
        // Every run has the finding about itself, so it is no common ground.
        let is_common = |name: &String| older.checks.contains_key(name) && !name.ends_with(EVIDENCE_CHECK);
        if !newer.checks.keys().any(is_common) {
            let (before, after) = (older.run.subject, newer.run.subject);
            return Err(CompareError::NothingInCommon { before, after });
        }
        Ok(compared(older, newer))
    }

    /// Returns true if something fails that did not fail before.
    pub fn has_new_failures(&self) -> bool {
        self.changes.iter().any(|change| change.kind == ChangeKind::Appeared)
    }

    /// Returns true if the absence of new failures proves nothing: a record is doubtful, the newer run has no verdict, or it does not decide a check
    /// that the older run decided.
    pub fn is_doubtful(&self) -> bool {
        !self.doubts.is_empty() || self.after.verdict == UNKNOWN || self.changes.iter().any(is_undecided)
    }
}

/// Returns true if a check that was decided is no longer decided.
fn is_undecided(change: &Change) -> bool {
    [PASS, FAIL].contains(&change.before.as_str()) && [UNKNOWN, MISSING, NO_RESULT].contains(&change.after.as_str())
}

fn compared(older: Results, newer: Results) -> Comparison {
    let (mut changes, mut unchanged, mut still_failing) = (Vec::new(), 0, Vec::new());
    let names = older.checks.keys().chain(newer.checks.keys().filter(|name| !older.checks.contains_key(*name)));
    for name in names {
        let (before, after) = (older.checks.get(name), newer.checks.get(name));
        let state = |found: Option<&CheckResult>| found.map_or(MISSING, |result| &result.state).to_owned();
        let (from, to) = (state(before), state(after));
        if from == to {
            unchanged += 1;
            still_failing.extend((to == FAIL).then(|| name.clone()));
            continue;
        }
        let kind = match (from.as_str(), to.as_str()) {
            (_, FAIL) => ChangeKind::Appeared,
            (FAIL, PASS) => ChangeKind::Disappeared,
            _ => ChangeKind::Changed,
        };
        let summary = after.or(before).map(|result| result.summary.clone()).unwrap_or_default();
        changes.push(Change { check: name.clone(), kind, before: from, after: to, summary });
    }
    changes.sort_by(|one, other| (one.kind, &one.check).cmp(&(other.kind, &other.check)));
    let doubts = older.doubts.into_iter().chain(newer.doubts).collect();
    Comparison { before: older.run, after: newer.run, changes, unchanged, still_failing, doubts }
}

/// The results of one run.
struct Results {
    run: ComparedRun,
    checks: BTreeMap<String, CheckResult>,
    doubts: Vec<String>,
}

struct CheckResult {
    state: String,
    summary: String,
}

/// The parts of `report.json` that are compared. Fields of other versions are ignored.
#[derive(Deserialize)]
struct Report {
    run_id: String,
    verdict: String,
    plan: ReportedPlan,
    #[serde(default)]
    findings: Vec<ReportedFinding>,
    hardening: Option<ReportedHardening>,
}

#[derive(Deserialize)]
struct ReportedPlan {
    subject: String,
    workload: String,
}

#[derive(Deserialize)]
struct ReportedFinding {
    check: String,
    verdict: String,
    summary: String,
}

#[derive(Deserialize)]
struct ReportedHardening {
    checks: Vec<ReportedCheck>,
    #[serde(default)]
    omitted: Vec<ReportedOmission>,
}

#[derive(Deserialize)]
struct ReportedCheck {
    id: String,
    state: String,
    summary: String,
}

#[derive(Deserialize)]
struct ReportedOmission {
    id: String,
    state: String,
    why: String,
}

#[derive(Deserialize)]
struct GateReport {
    run_id: String,
    verdict: String,
}

impl Results {
    fn read(dir: &Path) -> Result<Self, CompareError> {
        match GateRecord::read(dir) {
            Ok(record) => Self::of_gate(dir, &record),
            Err(_) => Self::of_run(dir),
        }
    }

    fn of_run(dir: &Path) -> Result<Self, CompareError> {
        let report: Report = read(dir)?;
        let mut checks = BTreeMap::new();
        let mut put = |name: String, state, summary| drop(checks.insert(name, CheckResult { state, summary }));
        for finding in report.findings {
            put(finding.check, finding.verdict, finding.summary);
        }
        // After the findings: a finding may contain the failures of several checks, and each check has a result of its own.
        if let Some(hardening) = report.hardening {
            hardening.omitted.into_iter().for_each(|omitted| put(omitted.id, omitted.state, omitted.why));
            hardening.checks.into_iter().for_each(|check| put(check.id, check.state, check.summary));
        }
        let subject = format!("{} {}", report.plan.subject, report.plan.workload);
        let run = ComparedRun { run_id: report.run_id, verdict: report.verdict, subject };
        let doubts = doubt(dir, &run).into_iter().collect();
        Ok(Self { run, checks, doubts })
    }

    /// Collects the results of all runs of a gate. A run without a report has one result, so that it does not look as if nothing had changed.
    fn of_gate(dir: &Path, record: &GateRecord) -> Result<Self, CompareError> {
        let gate: GateReport = read(dir)?;
        let run = ComparedRun { run_id: gate.run_id, verdict: gate.verdict, subject: "gate".to_owned() };
        let mut doubts: Vec<String> = doubt(dir, &run).into_iter().collect();
        let mut checks = BTreeMap::new();
        for phase in &record.phases {
            for run in &phase.runs {
                let name = format!("{} {}", phase.kind.one(), run.name);
                match &run.end {
                    RunEnd::Recorded(folder) => {
                        let of_run = Self::of_run(&runs(dir).join(folder))?;
                        doubts.extend(of_run.doubts);
                        checks.extend(
                            of_run.checks.into_iter().map(|(check, result)| (format!("{name}: {check}"), result)),
                        );
                    }
                    RunEnd::Compared(changes) => {
                        let state = if changes.is_empty() { PASS } else { FAIL };
                        let summary = changes.first().cloned().unwrap_or_else(|| "unchanged".to_owned());
                        checks.insert(name, CheckResult { state: state.to_owned(), summary });
                    }
                    RunEnd::Failed { why, .. } | RunEnd::NotRun { why } => {
                        let result = CheckResult { state: NO_RESULT.to_owned(), summary: why.clone() };
                        checks.insert(name, result);
                    }
                }
            }
        }
        Ok(Self { run, checks, doubts })
    }
}

/// Returns why the record of a run proves nothing; `None` if it is intact.
fn doubt(dir: &Path, run: &ComparedRun) -> Option<String> {
    verify(dir).doubt().map(|doubt| format!("{}: {doubt}", run.run_id))
}

fn read<T: serde::de::DeserializeOwned>(dir: &Path) -> Result<T, CompareError> {
    let path = dir.join(run_dir::REPORT_JSON);
    let unreadable = |why: String| CompareError::Unreadable { path: path.clone(), why };
    let bytes = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Change, ChangeKind, CompareError, Comparison};
    use crate::plan::{run_dir, seal};
    use serde_json::{Value, json};
    use std::path::Path;

    fn write(dir: &Path, id: &str, findings: &[(&str, &str)], hardening: Value) {
        let finding = |(check, verdict): &(&str, &str)| json!({ "check": check, "verdict": verdict, "summary": format!("{check} {verdict}") });
        let findings: Vec<Value> = findings.iter().map(finding).collect();
        let report = json!({
            "run_id": id, "verdict": "fail", "plan": { "subject": "harden", "workload": "catalogue" }, "findings": findings,
            "hardening": hardening,
        });
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join(run_dir::PLAN), "{}").unwrap();
        std::fs::write(dir.join(run_dir::REPORT_JSON), report.to_string()).unwrap();
        seal::seal(dir).unwrap();
    }

    fn kinds(comparison: &Comparison) -> Vec<(&str, ChangeKind)> {
        comparison.changes.iter().map(|change| (change.check.as_str(), change.kind)).collect()
    }

    #[test]
    fn new_and_resolved_failures_are_listed_first() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("a"), folder.path().join("b"));
        let checks = |one: &str, other: &str| {
            json!({ "checks": [
                { "id": "MCP-AUTH-03", "state": one, "summary": "s" }, { "id": "MCP-TRN-01", "state": other, "summary": "s" },
            ], "omitted": [{ "id": "MCP-LIM-01", "state": "skipped", "why": "w" }] })
        };
        write(
            &before,
            "a",
            &[("run-is-evidence", "pass"), ("latency", "fail"), ("kept", "fail")],
            checks("pass", "fail"),
        );
        write(
            &after,
            "b",
            &[("run-is-evidence", "pass"), ("latency", "unknown"), ("kept", "fail")],
            checks("fail", "pass"),
        );
        let comparison = Comparison::of(&before, &after).unwrap();
        let expected = [
            ("MCP-AUTH-03", ChangeKind::Appeared),
            ("MCP-TRN-01", ChangeKind::Disappeared),
            ("latency", ChangeKind::Changed),
        ];
        assert_eq!(kinds(&comparison), expected);
        assert!(comparison.has_new_failures());
        assert_eq!(
            (comparison.unchanged, comparison.still_failing, comparison.doubts.len()),
            (3, vec!["kept".to_owned()], 0)
        );
        assert!(!Comparison::of(&after, &after).unwrap().has_new_failures(), "a failure of both runs is not new");
    }

    #[test]
    fn a_check_that_only_the_newer_run_fails_has_appeared() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("a"), folder.path().join("b"));
        write(&before, "a", &[("latency", "pass")], Value::Null);
        write(&after, "b", &[("latency", "pass"), ("no-gap", "fail")], Value::Null);
        let comparison = Comparison::of(&before, &after).unwrap();
        let Change { kind, before: state, summary, .. } = &comparison.changes[0];
        assert_eq!((*kind, state.as_str(), summary.as_str()), (ChangeKind::Appeared, "missing", "no-gap fail"));
        let reverse = Comparison::of(&after, &before).unwrap();
        assert_eq!(kinds(&reverse), [("no-gap", ChangeKind::Changed)], "nothing shows that it was fixed");
        assert!(reverse.is_doubtful() && !comparison.is_doubtful());
    }

    #[test]
    fn a_check_that_is_no_longer_decided_is_doubtful() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, verdict) in [("good", "pass"), ("bad", "fail"), ("unclear", "unknown")] {
            write(&path(name), name, &[("kept", "pass"), ("latency", verdict)], Value::Null);
        }
        write(&path("without"), "without", &[("kept", "pass")], Value::Null);
        for (before, after, expected) in [
            ("good", "unclear", true),
            ("bad", "unclear", true),
            ("good", "without", true),
            ("bad", "good", false),
            ("unclear", "good", false),
            ("unclear", "without", false),
        ] {
            let comparison = Comparison::of(&path(before), &path(after)).unwrap();
            assert_eq!(comparison.is_doubtful(), expected, "{before} {after}");
        }
        let mut same = Comparison::of(&path("good"), &path("good")).unwrap();
        assert!(!same.is_doubtful());
        same.after.verdict = "unknown".to_owned();
        assert!(same.is_doubtful(), "a run without a verdict proves nothing");
    }

    #[test]
    fn a_changed_record_is_a_doubt_and_runs_without_a_common_check_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = (folder.path().join("a"), folder.path().join("b"));
        write(&before, "a", &[("run-is-evidence", "pass"), ("latency", "pass")], Value::Null);
        write(&after, "b", &[("run-is-evidence", "pass"), ("no-gap", "fail")], Value::Null);
        assert!(matches!(Comparison::of(&before, &after), Err(CompareError::NothingInCommon { .. })));
        std::fs::write(before.join(run_dir::PLAN), "{ }").unwrap();
        let comparison = Comparison::of(&before, &before).unwrap();
        assert!(comparison.doubts[0].starts_with("a: the record was changed"), "{:?}", comparison.doubts);
        let none = Comparison::of(&before, &folder.path().join("c")).unwrap_err().to_string();
        assert!(none.contains("cannot be read") && none.contains("hint: `harness report RUN`"), "{none}");
    }
}
