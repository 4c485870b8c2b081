//! The gate as a CI uses it: one command, one verdict, every report, and the reason of a failure in each of the
//! reports.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/program.rs"]
mod program;

use program::{code, harness, run, text};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The shortest gate that can still prove something: one scenario of the guardrails, and a load of two seconds.
const SHORT: &str = "[runs]\nkeep = 2\n[gate.ci.scenarios]\nrun = [\"guardrail-block\"]\n[gate.ci.load]\nrun = \"short.toml\"\nusers = 4\nwarmup = \"500ms\"\n\
    duration = \"2s\"\nthresholds = [\"error_rate<1%\", \"p90<400ms\"]\n[gate.ci.experiments]\nrun = []\n[gate.ci.hardening]\nrun = \"none\"\n";

/// The profile of the load. [`folder`] writes a copy that seeds fewer memories.
const PROFILE: &str = include_str!("../../../loadtests/profiles/memory.toml");

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("harness.toml"), SHORT).unwrap();
    // Without arrivals: a crowded machine sends them late, and the run is unknown then.
    let profile = PROFILE.replace("seed_memories = 50", "seed_memories = 1").replace("arrivals = 100", "");
    std::fs::write(folder.path().join("short.toml"), profile).unwrap();
    folder
}

fn gates(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn report(dir: &Path) -> Value {
    serde_json::from_str(&read(dir, "report.json")).unwrap()
}

#[test]
fn a_gate_passes_with_every_report_and_annotates_the_ci() {
    let folder = folder();
    let summary = folder.path().join("summary.md");
    let mut command = harness();
    command.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_ACTIONS", "true");
    let output = command.current_dir(folder.path()).args(["gate", "--seed", "7"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("scenarios   1 of 1 pass") && text(&output).contains("gate    ci pass in"));
    assert!(!text(&output).contains("::error"), "{}", text(&output));
    let gates = gates(folder.path());
    assert_eq!(gates.len(), 1, "the runs of a gate lie in it: {gates:?}");
    let gate = &gates[0];
    let said = report(gate);
    assert_eq!((&said["verdict"], &said["seed"]), (&Value::from("pass"), &Value::from(7)));
    assert_eq!(said["command"], "harness gate --seed 7");
    for phase in said["phases"].as_array().unwrap() {
        let own = phase["runs"][0]["report"].as_str().unwrap();
        assert!(gate.join(own).is_file(), "{own}");
    }
    assert!(read(gate, "report.html").contains("PASS"));
    assert_eq!(std::fs::read_to_string(&summary).unwrap().trim_end(), read(gate, "report.md").trim_end());
    assert!(read(gate, "junit.xml").contains("name=\"threshold p90&lt;400 ms measured\""));

    // A second judgement is the same, and a changed record is reported.
    let again = run(folder.path(), &["check"]);
    assert_eq!(code(&again), 0, "{}", text(&again));
    let driver = std::fs::read_dir(gate.join("runs")).unwrap().flatten().map(|run| run.path().join("driver.json"));
    let driver = driver.into_iter().find(|path| path.is_file()).unwrap();
    let said = std::fs::read_to_string(&driver).unwrap();
    std::fs::write(&driver, said + "\n").unwrap();
    let changed = run(folder.path(), &["check"]);
    assert_eq!(code(&changed), 2, "{}", text(&changed));
    assert!(text(&changed).contains("changed after the run: `driver.json`"), "{}", text(&changed));
}

/// The text that a planted regression must cause in the terminal, on the page and in test viewers.
fn names_the_failure(output: &std::process::Output, folder: &Path, run: &str, check: &str) {
    assert_eq!(code(output), 1, "{}", text(output));
    let is_named = |line: &str| line.starts_with(&format!("  fail {run}: ")) && line.contains(&format!("{check}: "));
    assert!(text(output).lines().any(is_named), "{}", text(output));
    assert!(text(output).contains("gate    ci fail in"), "{}", text(output));
    assert!(text(output).contains("::error title="), "{}", text(output));
    let gates = gates(folder);
    let gate = gates.last().unwrap();
    let html = read(gate, "report.html");
    let verdict = html.split_once("</header>").unwrap().0;
    assert!(verdict.contains("FAIL") && verdict.contains(run) && verdict.contains(check), "{verdict}");
    let junit = read(gate, "junit.xml");
    let case = junit
        .split("<testcase ")
        .find(|case| case.contains(&format!("name=\"check {check}\"")) && case.contains("<failure"));
    assert!(case.is_some(), "`{check}` has not failed in {junit}");
    assert_eq!(report(gate)["verdict"], "fail");
}

fn with(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let arguments = [&["gate", "--seed", "7"], arguments].concat();
    harness().env("GITHUB_ACTIONS", "true").current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn a_memory_that_became_slow_fails_the_gate() {
    let folder = folder();
    let output = with(folder.path(), &["--slow", "memory=500ms"]);
    names_the_failure(&output, folder.path(), "short", "latency");
    let said = report(gates(folder.path()).last().unwrap());
    assert_eq!(said["phases"][0]["verdict"], "pass", "the rules still hold");
    let repeat = said["phases"][1]["runs"][0]["command"].as_str().unwrap();
    assert!(
        repeat.starts_with("harness load short.toml ") && repeat.ends_with("--slow memory=500ms --seed 7"),
        "{repeat}"
    );
}

#[test]
fn guardrails_that_allow_everything_fail_the_gate_and_the_load_still_runs() {
    let folder = folder();
    let output = with(folder.path(), &["--lie", "guardrails=block-not-honoured"]);
    names_the_failure(&output, folder.path(), "guardrail-block", "expectations-held");
    assert_eq!(report(gates(folder.path()).last().unwrap())["phases"][1]["verdict"], "pass", "{}", text(&output));
}

#[test]
fn a_stack_that_does_not_start_ends_the_gate_and_the_report_lists_what_did_not_run() {
    let folder = folder();
    let alone = folder.path().join("harness");
    std::fs::copy(env!("CARGO_BIN_EXE_harness"), &alone).unwrap();
    let output = std::process::Command::new(&alone).current_dir(folder.path()).arg("gate").output().unwrap();
    assert_eq!(code(&output), 69, "{}", text(&output));
    let said = report(&gates(folder.path())[0]);
    assert_eq!(said["phases"][0]["runs"][0]["verdict"], "error");
    assert_eq!(said["phases"][1]["runs"][0]["verdict"], "not run");
    assert!(text(&output).contains("the stack did not start for guardrail-block"), "{}", text(&output));
}
