//! Scenarios: what they write, how they are judged, and names that do not exist.

use crate::program::{code, run, text};
use crate::{only_run, processes_of};
use serde_json::Value;

#[test]
fn a_scenario_passes_writes_its_report_and_is_judged_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["scenario", "idempotent-retry"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("✓ a keyed write is stored"), "one line for each expectation: {}", text(&output));
    let directory = only_run(folder.path());
    let report: Value = serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["plan"]["subject"]), (&Value::from("pass"), &Value::from("scenario")));
    assert!(report["expectations"].as_array().unwrap().len() > 3, "{report}");
    let repeat = report["plan"]["command"].as_str().unwrap();
    assert!(repeat.starts_with("harness scenario idempotent-retry --seed "), "{repeat}");
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
    for command in ["check", "report"] {
        let again = run(folder.path(), &[command]);
        assert_eq!(code(&again), 0, "{}", text(&again));
    }
    // An expectation that did not hold fails the run.
    let path = directory.join("expectations.jsonl");
    let forged = std::fs::read_to_string(&path).unwrap().replacen("\"pass\"", "\"fail\"", 1);
    std::fs::write(&path, forged).unwrap();
    let forged = run(folder.path(), &["check"]);
    assert_eq!(code(&forged), 1, "{}", text(&forged));
    assert!(text(&forged).contains("expectations-held  fail"), "{}", text(&forged));
}

#[test]
fn scenarios_are_listed_and_an_unknown_name_gets_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let list = run(folder.path(), &["scenario", "--list", "--json"]);
    let names: Vec<Value> =
        String::from_utf8_lossy(&list.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(names.iter().any(|scenario| scenario["name"] == "tenant-isolation"), "{}", text(&list));
    let unknown = run(folder.path(), &["scenario", "tenant-isolaton", "weather"]);
    assert_eq!(code(&unknown), 64);
    for output in ["did you mean `tenant-isolation`", "there is no scenario `weather`"] {
        assert!(text(&unknown).contains(output), "{}", text(&unknown));
    }
    let elsewhere = run(folder.path(), &["scenario", "quota", "--url", "memory=http://127.0.0.1:1"]);
    assert_eq!(code(&elsewhere), 64, "a key is missing: {}", text(&elsewhere));
    for arguments in [&["scenario"][..], &["scenario", "quota", "--all"], &["scenario", "quota", "--lie", "memory"]] {
        assert_eq!(code(&run(folder.path(), arguments)), 64, "{arguments:?}");
    }
    assert!(!folder.path().join("runs").exists(), "something was started");
}
