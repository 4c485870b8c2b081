//! The report of a gate, made from the directories of its runs: the verdict, its reasons, and the same text when it is
//! written again.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/recorded.rs"]
mod recorded;

use harness_core::judge::JudgeMemory;
use harness_core::plan::seal::seal;
use harness_core::plan::{self, Purpose, run_dir};
use harness_core::report::gate::record::{GateRecord, PhaseKind, PhaseRecord, RunEnd, RunRecord, runs};
use harness_core::report::gate::{GateSummary, schema, write_again};
use harness_history::{ErrorKind, Outcome, Phase};
use recorded::{driver, ops, plan, write_run};
use std::path::Path;
use std::process::Command;

const HOSTILE: &str = "<script>alert('x')</script>|`*";

fn record(phases: Vec<PhaseRecord>) -> GateRecord {
    GateRecord {
        run_id: "2026-01-02T03-04-05Z-gate-ci-0000".to_owned(),
        command: "harness gate --seed 1".to_owned(),
        seed: 1,
        profile: "ci".to_owned(),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        took_ms: 61_500,
        interrupted: false,
        phases,
    }
}

fn run(name: &str, end: RunEnd) -> RunRecord {
    RunRecord { name: name.to_owned(), about: "users store and read".to_owned(), took_ms: 5_000, end }
}

fn load(end: RunEnd) -> PhaseRecord {
    PhaseRecord { kind: PhaseKind::Load, runs: vec![run("memory", end)] }
}

/// Writes a gate with a load whose first `refused` measured calls were refused, and its reports.
fn write_gate(dir: &Path, refused: usize, mut phases: Vec<PhaseRecord>) -> GateSummary {
    let place = runs(dir).join("load");
    std::fs::create_dir_all(&place).unwrap();
    let mut ops = ops();
    for op in ops.iter_mut().filter(|op| op.phase == Phase::Measured).take(refused) {
        op.outcome = Outcome::Failed(ErrorKind::Tool(HOSTILE.into()));
    }
    write_run(&place, &ops, Some(driver()));
    phases.push(load(RunEnd::Recorded("load".to_owned())));
    record(phases).write(dir).unwrap();
    seal(dir).unwrap();
    write_again(dir, JudgeMemory::default()).unwrap()
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

/// Returns the violations of the JUnit schema that `xmllint` reports; empty if there are none.
fn junit_problems(path: &Path) -> String {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/junit/junit.xsd");
    let checked = Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(rules).arg(path).output();
    let checked = checked.expect("xmllint is installed: .ci/need xmllint libxml2-utils");
    if checked.status.success() { String::new() } else { String::from_utf8_lossy(&checked.stderr).into_owned() }
}

#[test]
fn a_change_of_the_tools_that_the_snapshot_does_not_have_fails_the_gate() {
    let compared = |name: &str, changes: &[&str]| {
        run(name, RunEnd::Compared(changes.iter().map(|change| (*change).to_owned()).collect()))
    };
    let gate = |changes: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let runs = vec![compared("memory", &[]), compared("patterns", changes)];
        write_gate(dir.path(), 0, vec![PhaseRecord { kind: PhaseKind::Snapshot, runs }])
    };
    let same = gate(&[]);
    assert_eq!((same.verdict.as_str(), same.because.as_str()), ("pass", "all 3 runs of 2 phases pass"));
    let changed = gate(&["`one` was added", "`two` was added", "`three` was added", "`four` was removed"]);
    assert_eq!(changed.verdict, "fail");
    let expected = "patterns: the tools have changed and the snapshot has not: `one` was added; `two` was added; `three` was added (and 1 more)";
    assert_eq!(changed.because, expected);
}

#[test]
fn a_gate_that_passes_has_the_same_reports_when_they_are_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let summary = write_gate(dir.path(), 0, Vec::new());
    assert_eq!((summary.verdict.as_str(), summary.because.as_str()), ("pass", "the run passes"));
    let html = read(dir.path(), run_dir::REPORT_HTML);
    assert!(html.contains("PASS") && html.contains(r#"href="runs&#x2f;load&#x2f;report.html""#), "no link to its run");
    assert!(dir.path().join("runs/load/report.html").is_file());
    insta::assert_snapshot!("gate_markdown", read(dir.path(), run_dir::REPORT_MARKDOWN));
    let first = read(dir.path(), run_dir::REPORT_JSON);
    write_again(dir.path(), JudgeMemory::default()).unwrap();
    assert_eq!(read(dir.path(), run_dir::REPORT_JSON), first);
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&serde_json::from_str(&first).unwrap()));
}

#[test]
fn runs_that_do_not_pass_come_first_with_their_reason_and_a_run_that_did_not_start_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let scenarios = PhaseRecord {
        kind: PhaseKind::Scenarios,
        runs: vec![
            run("quota", RunEnd::Failed { exit: 69, why: format!("the stack did not come up {HOSTILE}") }),
            run("scopes", RunEnd::NotRun { why: "the stack did not come up for quota".to_owned() }),
        ],
    };
    let summary = write_gate(dir.path(), 60, vec![scenarios]);
    assert_eq!(summary.verdict, "fail");
    let reasons: Vec<(&str, &str)> =
        summary.reasons.iter().map(|reason| (reason.name.as_str(), reason.verdict.as_str())).collect();
    assert_eq!(reasons, [("quota", "error"), ("scopes", "not run"), ("memory", "fail")]);
    let (html, markdown) = (read(dir.path(), run_dir::REPORT_HTML), read(dir.path(), run_dir::REPORT_MARKDOWN));
    assert!(!html.contains("<script") && !markdown.contains("<script"));
    assert!(html.contains("error-rate") && markdown.contains("| memory | fail |"), "{markdown}");
    let junit = read(dir.path(), run_dir::JUNIT);
    assert_eq!(junit_problems(&dir.path().join(run_dir::JUNIT)), "");
    for case in [
        "scenario quota",
        "scenario scopes",
        "load memory",
        "check error-rate",
        "threshold error_rate&lt;10 % measured",
    ] {
        assert!(junit.contains(&format!("name=\"{case}\"")), "`{case}` is missing in {junit}");
    }
    assert!(junit.contains("<failure") && junit.contains("<error"));
}

#[test]
fn a_gate_with_a_changed_or_a_missing_run_does_not_pass() {
    let dir = tempfile::tempdir().unwrap();
    write_gate(dir.path(), 0, Vec::new());
    let report = dir.path().join("runs/load/driver.json");
    let kept = std::fs::read_to_string(&report).unwrap();
    std::fs::write(&report, kept.replace("0.2", "0.1")).unwrap();
    let changed = write_again(dir.path(), JudgeMemory::default()).unwrap();
    assert_eq!(changed.verdict, "unknown");
    assert!(changed.because.contains("changed after the run"), "{}", changed.because);
    std::fs::remove_dir_all(dir.path().join("runs/load")).unwrap();
    let missing = write_again(dir.path(), JudgeMemory::default()).unwrap();
    assert_eq!(missing.verdict, "unknown");
    assert!(missing.because.contains("`runs/load/manifest.json` is missing"), "{}", missing.because);
    assert!(write_again(&dir.path().join("nowhere"), JudgeMemory::default()).is_err());
}

#[test]
fn the_report_of_a_run_is_valid_junit_and_a_broken_one_is_rejected() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), &ops(), None);
    let path = dir.path().join(run_dir::JUNIT);
    assert_eq!(junit_problems(&path), "");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [("classname=", "class="), ("<testcase ", "<test "), ("tests=\"", "tests=\"many ")] {
        std::fs::write(
            &path,
            good.replace(from, to).replace("</testcase>", if from == "<testcase " { "</test>" } else { "</testcase>" }),
        )
        .unwrap();
        assert_ne!(junit_problems(&path), "", "{to}");
    }
}

#[test]
fn the_published_schema_is_that_of_the_report_of_a_gate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gate.schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), current, "run this test with UPDATE_SCHEMA=1");
}

#[test]
fn a_plan_contains_the_thresholds_of_its_gate() {
    let mut script = plan::Script {
        name: "quota".to_owned(),
        about: "a quota holds".to_owned(),
        deadline: std::time::Duration::from_secs(60),
        required: Vec::new(),
        thresholds: Vec::new(),
    };
    let without = serde_json::to_value(&script).unwrap();
    assert!(without.get("thresholds").is_none(), "a plan without thresholds is valid");
    script.thresholds = vec![harness_core::plan::data_file::threshold("max<30s").unwrap()];
    let text = serde_json::to_string(&script).unwrap();
    assert_eq!(serde_json::from_str::<plan::Script>(&text).unwrap(), script);
    assert_eq!(plan().subject.name(), "memory");
}
