//! The smoke of a deployment: the gate on a stack that it did not start, which has the limits of its customers and keeps running.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/program.rs"]
mod program;

use program::{code, harness, run, text};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

/// Runs the smoke against the stack that `harness up` started in a folder.
fn smoke(folder: &Path, more: &[&str]) -> Output {
    let state = std::fs::read_to_string(folder.join(".harness/stack.json")).unwrap();
    let stack: Value = serde_json::from_str(&state).unwrap();
    let mut command = harness();
    command.env("JWT_SECRET", stack["secret"].as_str().unwrap()).current_dir(folder);
    command.args(["gate", "--profile", "smoke", "--seed", "7"]).args(more);
    for part in stack["parts"].as_array().unwrap().iter().filter(|part| part["name"] != "redis") {
        command.arg("--url").arg(format!("{}={}", part["name"].as_str().unwrap(), part["url"].as_str().unwrap()));
    }
    command.output().unwrap()
}

#[test]
fn the_smoke_judges_a_running_stack_and_leaves_it_running() {
    let folder = tempfile::tempdir().unwrap();
    // A peer that is late on a busy machine would be a fallback. The quotas are those of customers.
    std::fs::write(
        folder.path().join("settings"),
        "PEER_DEADLINE_MS=3000\nWORKFLOW_DEADLINE_MS=9000\nREDIS_DEADLINE_MS=5000\n",
    )
    .unwrap();
    let up = run(folder.path(), &["up", "--env-file", "settings"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let smoked = smoke(folder.path(), &[]);
    let lies = smoke(folder.path(), &["--lie", "memory=tenant-ignored"]);
    let status = run(folder.path(), &["status"]);
    let down = run(folder.path(), &["down"]);
    let said = text(&smoked);
    // On a busy machine latency may be unknown or too high. What the stack does may not be wrong.
    assert!([0, 1, 2].contains(&code(&smoked)), "{said}");
    let reports = std::fs::read_dir(folder.path().join("runs")).unwrap().flatten();
    let gate = reports.map(|entry| entry.path()).find(|path| path.join("gate.json").exists()).unwrap();
    let report: Value = serde_json::from_str(&std::fs::read_to_string(gate.join("report.json")).unwrap()).unwrap();
    let phases = report["phases"].as_array().unwrap();
    assert_eq!(phases.iter().map(|phase| &phase["name"]).collect::<Vec<_>>(), ["scenarios", "load"], "{said}");
    assert!(phases[0]["runs"].as_array().unwrap().iter().all(|run| run["verdict"] == "pass"), "{said}");
    let because = report["reasons"].as_array().unwrap().iter().map(|reason| reason["because"].as_str().unwrap());
    for because in because {
        assert!(
            because.contains("latency") || because.contains("p90") || because.contains("stall"),
            "{because}: {said}"
        );
    }
    let repeat = phases[1]["runs"][0]["command"].as_str().unwrap();
    assert!(repeat.contains(" --url orchestrator=http://127.0.0.1:"), "{repeat}");
    assert_eq!(code(&lies), 64, "a lie on a running stack: {}", text(&lies));
    assert_eq!((code(&status), code(&down)), (0, 0), "the stack goes on: {}", text(&status));
}
