//! Every scenario can fail: the liar stands in front of a real service and tells each lie that names scenarios, and
//! these scenarios must fail.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use harness_core::drive::experiment;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

fn program(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let program = folder.join(name);
    assert!(program.is_file(), "{} does not exist: run cargo build --workspace --bins", program.display());
    program
}

/// Returns each lie with its services and the scenarios that must catch it.
fn lies() -> Vec<(String, Vec<String>, Vec<String>)> {
    let output = Command::new(program("liar")).args(["--list", "--json"]).output().unwrap();
    let lies: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let texts =
        |value: &Value| value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    lies.iter()
        .map(|lie| (lie["name"].as_str().unwrap().to_owned(), texts(&lie["services"]), texts(&lie["caught_by"])))
        .collect()
}

/// Returns the lies that hardening checks must catch, which `harness/harden/tests/trips.rs` tries.
fn caught_by_checks() -> BTreeSet<String> {
    let output = Command::new(program("liar")).args(["--list", "--json"]).output().unwrap();
    let lies: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let caught = lies.iter().filter(|lie| !lie["checks"].as_array().unwrap().is_empty());
    caught.map(|lie| lie["name"].as_str().unwrap().to_owned()).collect()
}

/// Returns each lie that experiments name, with the services that tell it.
fn named_by_experiments() -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for experiment in experiment::all(None).unwrap() {
        for lie in &experiment.catches {
            let (service, lie) = lie.split_once('=').unwrap();
            named.entry(lie.to_owned()).or_default().insert(service.to_owned());
        }
    }
    named
}

#[test]
fn every_lie_has_a_scenario_or_an_experiment_that_must_catch_it() {
    let (lies, named, of_checks) = (lies(), named_by_experiments(), caught_by_checks());
    for (lie, services, scenarios) in &lies {
        let caught = !scenarios.is_empty() || named.contains_key(lie) || of_checks.contains(lie);
        assert!(caught, "no scenario, no experiment and no hardening check catches `{lie}`");
        for scenario in scenarios {
            assert!(scenarios::find(scenario).is_some(), "`{lie}` names the unknown scenario `{scenario}`");
        }
        let supported: BTreeSet<String> = services.iter().cloned().collect();
        let used = named.get(lie).cloned().unwrap_or_default();
        assert!(used.is_subset(&supported), "`{lie}` is supported by {supported:?}, experiments use {used:?}");
    }
    let names: BTreeSet<&String> = lies.iter().map(|(lie, _, _)| lie).collect();
    let unknown: Vec<&String> = named.keys().filter(|lie| !names.contains(lie)).collect();
    assert!(unknown.is_empty(), "experiments name unknown lies: {unknown:?}");
}

/// The scenario that compares latencies; `gate --profile preprod` runs it on a quiet machine.
const QUIET_ONLY: &str = "noisy-neighbour";
/// Lies that are tried at the same time. A scenario mostly waits, so two of them disturb each other little.
const AT_ONCE: usize = 2;

/// Tries one lie for each scenario, because each takes as long as its scenario. With `EVERY_LIE` (`make lies`, every night) it tries every lie on every
/// scenario that it names.
#[test]
fn every_scenario_catches_a_lie() {
    let folder = tempfile::tempdir().unwrap();
    let (mut caught, all) = (BTreeSet::new(), std::env::var_os("EVERY_LIE").is_some());
    // `memory-tools` catches every lie about writes, so none names it.
    let mut tried = vec![("memory-tools", "memory".to_owned(), "acknowledge-before-commit".to_owned())];
    caught.insert("memory-tools");
    for (lie, services, catchers) in lies() {
        for scenario in catchers.iter().filter_map(|name| scenarios::find(name)) {
            if scenario.name == QUIET_ONLY || (!all && caught.contains(scenario.name)) {
                continue;
            }
            let services_of_stack =
                (scenario.topology)().services().into_iter().map(|service| service.name().to_owned());
            let Some(service) = services_of_stack.into_iter().find(|service| services.contains(service)) else {
                continue;
            };
            tried.push((scenario.name, service, lie.clone()));
            caught.insert(scenario.name);
        }
    }
    let names = scenarios::ALL.iter().map(|scenario| scenario.name);
    let uncaught: Vec<&str> = names.filter(|name| !caught.contains(name) && *name != QUIET_ONLY).collect();
    assert!(uncaught.is_empty(), "scenarios that no lie makes fail: {uncaught:?}");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((scenario, service, lie)) = tried.get(at) else { break };
                    // A folder of its own, because a run may remove older ones of its folder.
                    let folder = folder.path().join(at.to_string());
                    std::fs::create_dir(&folder).unwrap();
                    expect_failure(&folder, scenario, service, lie);
                }
            });
        }
    });
}

/// Runs a scenario against a lie, and expects the verdict *fail* (exit code 1).
fn expect_failure(folder: &Path, scenario: &str, service: &str, lie: &str) {
    let output = Command::new(program("harness"))
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .args(["scenario", scenario, "--lie", &format!("{service}={lie}")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "`{scenario}` does not catch `{lie}` of `{service}`:\n{text}");
}
