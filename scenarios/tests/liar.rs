//! Every scenario fails where it must: the broken service stands before a real one and tells each lie that says which scenarios catch it.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use harness_core::drive::experiment;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn program(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let program = folder.join(name);
    assert!(program.is_file(), "{} is not there: cargo build --workspace --bins", program.display());
    program
}

/// Lie, the services that can tell it, and the scenarios that catch it.
fn lies() -> Vec<(String, Vec<String>, Vec<String>)> {
    let output = Command::new(program("liar")).args(["--list", "--json"]).output().unwrap();
    let lies: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let texts =
        |value: &Value| value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    lies.iter()
        .map(|lie| (lie["name"].as_str().unwrap().to_owned(), texts(&lie["services"]), texts(&lie["caught_by"])))
        .collect()
}

/// Lie to the experiments that name it, with the service that tells it.
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
fn every_lie_is_named_by_a_scenario_or_an_experiment_and_whatever_is_named_is_there() {
    let (lies, named) = (lies(), named_by_experiments());
    for (lie, services, scenarios) in &lies {
        assert!(!scenarios.is_empty() || named.contains_key(lie), "nothing is named for `{lie}`");
        for scenario in scenarios {
            assert!(scenarios::find(scenario).is_some(), "`{lie}` names `{scenario}`, which is no scenario");
        }
        let tell: BTreeSet<String> = services.iter().cloned().collect();
        let asked = named.get(lie).cloned().unwrap_or_default();
        assert!(asked.is_subset(&tell), "`{lie}` is told by {tell:?}, experiments ask {asked:?}");
    }
    let known: BTreeSet<&String> = lies.iter().map(|(lie, _, _)| lie).collect();
    let unknown: Vec<&String> = named.keys().filter(|lie| !known.contains(lie)).collect();
    assert!(unknown.is_empty(), "experiments name lies that nobody tells: {unknown:?}");
}

#[test]
fn every_lie_is_caught_by_the_scenarios_that_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut caught = BTreeSet::new();
    for (lie, services, catchers) in lies() {
        for scenario in catchers.iter().filter_map(|name| scenarios::find(name)) {
            let there = (scenario.topology)().services().into_iter().map(|service| service.name().to_owned());
            let Some(service) = there.into_iter().find(|service| services.contains(service)) else { continue };
            fails(folder.path(), scenario.name, &service, &lie);
            caught.insert(scenario.name);
        }
    }
    // The walk through the tools sees whatever is wrong with a write; it needs no lie of its own.
    fails(folder.path(), "memory-tools", "memory", "acknowledge-before-commit");
    caught.insert("memory-tools");
    let names = scenarios::ALL.iter().map(|scenario| scenario.name);
    let never: Vec<&str> = names.filter(|name| !caught.contains(name)).collect();
    assert!(never.is_empty(), "never seen to fail: {never:?}");
}

/// Plays a scenario against a lie: it must be proven bad, with an expectation or a check that says why.
fn fails(folder: &Path, scenario: &str, service: &str, lie: &str) {
    let output = Command::new(program("harness"))
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .args(["scenario", scenario, "--lie", &format!("{service}={lie}")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "`{scenario}` does not catch `{lie}` of `{service}`:\n{text}");
}
