//! Every check passes on the real stack, and fails if the liar breaks the promise that it tests. A run of all checks must fail exactly the checks
//! that the lie names: at most three.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The lie of each family that every test run tries, with its service. `EVERY_TRIP` (`make trips`, every night) tries each lie alone.
const ONE_OF_EACH_FAMILY: &[(&str, &str)] = &[
    ("guardrails", "audience-ignored"),
    ("memory", "foreign-read"),
    ("orchestrator", "origin-not-checked"),
    ("patterns", "large-body-accepted"),
    ("memory", "retry-at-once"),
    ("memory", "commits-not-synced"),
    ("guardrails", "tenant-in-metrics"),
    ("patterns", "verdict-of-anyone"),
];

/// A lie that hardening checks must catch.
struct Trip {
    lie: String,
    services: Vec<String>,
    checks: BTreeSet<String>,
}

fn program(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let program = folder.join(name);
    assert!(program.is_file(), "{} does not exist: run cargo build --workspace --bins", program.display());
    program
}

fn trips() -> Vec<Trip> {
    let output = Command::new(program("liar")).args(["--list", "--json"]).output().unwrap();
    let lies: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let trip = |lie: &Value| Trip {
        lie: lie["name"].as_str().unwrap().to_owned(),
        services: texts(&lie["services"]),
        checks: texts(&lie["checks"]).into_iter().collect(),
    };
    lies.iter().map(trip).filter(|trip| !trip.checks.is_empty()).collect()
}

/// The exit code of a hardening run, its output, and the state and summary of each check.
struct Hardened {
    code: Option<i32>,
    output: String,
    checks: BTreeMap<String, (String, String)>,
}

impl Hardened {
    fn failed(&self) -> BTreeSet<String> {
        self.checks.iter().filter(|(_, (state, _))| state == "fail").map(|(id, _)| id.clone()).collect()
    }
}

/// Runs all hardening checks on a stack of processes.
fn harden(lies: &[(&str, &str)]) -> Hardened {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("harness"));
    command.current_dir(folder.path()).env("NO_COLOR", "1").arg("harden");
    command.args(lies.iter().flat_map(|(service, lie)| ["--lie".to_owned(), format!("{service}={lie}")]));
    let output = command.output().unwrap();
    let report = report(folder.path());
    let checks = report["hardening"]["checks"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Hardened {
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
        checks: checks.map(|check| (text(&check["id"]), (text(&check["state"]), text(&check["summary"])))).collect(),
    }
}

fn report(folder: &Path) -> Value {
    let run =
        std::fs::read_dir(folder.join("runs")).ok().and_then(|mut runs| runs.next()).map(|run| run.unwrap().path());
    let report = run.and_then(|run| std::fs::read(run.join("report.json")).ok());
    report.map_or(Value::Null, |report| serde_json::from_slice(&report).unwrap())
}

#[test]
fn every_check_has_a_trip_and_every_trip_names_at_most_three_checks() {
    let trips = trips();
    let tripped: BTreeSet<&str> = trips.iter().flat_map(|trip| &trip.checks).map(String::as_str).collect();
    let ids: BTreeSet<&str> = harness_harden::ALL.iter().map(|check| check.id).collect();
    assert_eq!(tripped, ids, "a check without a lie, or a lie that names an unknown check");
    for trip in &trips {
        assert!(trip.checks.len() <= 3, "`{}` breaks more than one promise: {:?}", trip.lie, trip.checks);
    }
}

#[test]
fn every_check_holds_on_the_stack() {
    let run = harden(&[]);
    assert_eq!(run.code, Some(0), "{}", run.output);
    let states: BTreeSet<&str> = run.checks.values().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, BTreeSet::from(["pass"]), "{:#?}", run.checks);
    assert_eq!(run.checks.len(), harness_harden::ALL.len());
}

#[test]
fn each_trip_fails_its_own_check_and_no_other() {
    let trips = trips();
    if std::env::var_os("EVERY_TRIP").is_some() {
        let mut problems = Vec::new();
        for trip in &trips {
            // Uses memory if it has the lie, because several checks test only memory.
            let memory = trip.services.iter().find(|service| *service == "memory");
            let service = memory.unwrap_or(&trip.services[0]);
            let run = harden(&[(service.as_str(), trip.lie.as_str())]);
            if run.code != Some(1) || run.failed() != trip.checks {
                problems.push(format!(
                    "`{}`: code {:?}, failed {:?}, expected {:?}\n{}",
                    trip.lie,
                    run.code,
                    run.failed(),
                    trip.checks,
                    run.output
                ));
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        return;
    }
    // All at once, because each run starts a stack.
    let run = harden(ONE_OF_EACH_FAMILY);
    let find = |lie: &str| trips.iter().find(|trip| trip.lie == lie).unwrap_or_else(|| panic!("no lie `{lie}`"));
    let expected: BTreeSet<String> = ONE_OF_EACH_FAMILY.iter().flat_map(|(_, lie)| find(lie).checks.clone()).collect();
    assert_eq!((run.code, run.failed()), (Some(1), expected), "{}", run.output);
}
