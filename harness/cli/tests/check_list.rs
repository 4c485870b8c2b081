//! `harness check --list`: every check, for people and for programs, without a run.

#[path = "support/program.rs"]
mod program;

use program::{code, run, text};
use serde_json::Value;

#[test]
fn every_check_is_listed_with_its_blind_spots() {
    let folder = tempfile::tempdir().unwrap();
    let listed = run(folder.path(), &["check", "--list", "--json"]);
    assert_eq!(code(&listed), 0, "{}", text(&listed));
    let lines = String::from_utf8(listed.stdout).unwrap();
    let checks: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, harness_history::check::ALL.iter().map(|check| check.name).collect::<Vec<&str>>());
    assert!(checks.iter().all(|check| check["blind_to"][0].is_string()));

    let shown = text(&run(folder.path(), &["check", "--list"]));
    assert!(names.iter().all(|name| shown.contains(name)) && shown.contains("cannot see"), "{shown}");
    assert_eq!(code(&run(folder.path(), &["check", "--list", "runs/x"])), 64);
}
