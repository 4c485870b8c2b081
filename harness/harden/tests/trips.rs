//! Every check passes on the real stack, and fails if the liar breaks the promise that it tests. A run of all checks must fail exactly the checks
//! that the lie names: at most three. The checks of files fail on a copy of the files in which one text is broken.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The lie of each family that every test run tries, with its service. `EVERY_TRIP` (`make trips`, every night) tries each lie alone; `TRIP=NAME` tries
/// one.
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

/// The broken copy of the files of each family that every test run tries.
const BROKEN: [&str; 2] = ["container-with-the-socket", "action-by-its-tag"];
/// Files that the checks of the repository read. A name that ends with `/` is a folder.
const FILES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "Dockerfile",
    ".dockerignore",
    "Makefile",
    "deny.toml",
    "docker-compose.yml",
    ".github/workflows/",
    ".ci/",
];

/// One text of a file of the repository that is broken in a copy (`fixtures/hardening/broken`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFailed {
    #[serde(skip)]
    name: String,
    /// Checks that must fail on the copy.
    checks: BTreeSet<String>,
    file: String,
    find: String,
    replace: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn broken_copies() -> Vec<StepFailed> {
    let files = std::fs::read_dir(root().join("fixtures/hardening/broken")).unwrap();
    let read = |path: PathBuf| {
        let mut broken: StepFailed = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        broken.name = path.file_stem().unwrap().to_string_lossy().into_owned();
        broken
    };
    let mut all: Vec<StepFailed> = files.map(|file| read(file.unwrap().path())).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Copies the files of the repository into a folder, with these texts broken.
fn copy(folder: &Path, broken: &[&StepFailed]) {
    for name in FILES {
        let files = if name.ends_with('/') {
            std::fs::read_dir(root().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            vec![root().join(name)]
        };
        for file in files {
            let target = folder.join(file.strip_prefix(root()).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(&file, target).unwrap();
        }
    }
    for StepFailed { name, file, find, replace, .. } in broken {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(find.as_str()), "`{name}`: `{file}` has no `{find}`");
        std::fs::write(folder.join(file), text.replacen(find.as_str(), replace, 1)).unwrap();
    }
}

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

/// Runs all hardening checks on a stack of processes and on the files of a repository.
fn harden(repository: &Path, lies: &[(&str, &str)]) -> Hardened {
    let lies = lies.iter().flat_map(|(service, lie)| ["--lie".to_owned(), format!("{service}={lie}")]);
    harden_with(repository, &lies.collect::<Vec<_>>())
}

/// Runs hardening checks with more arguments.
fn harden_with(repository: &Path, arguments: &[String]) -> Hardened {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("harness"));
    command.current_dir(folder.path()).env("NO_COLOR", "1").args(["harden", "--repository"]).arg(repository);
    command.args(arguments);
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
    let broken = broken_copies();
    let of_files = broken.iter().flat_map(|broken| &broken.checks);
    let tripped: BTreeSet<&str> =
        trips.iter().flat_map(|trip| &trip.checks).chain(of_files).map(String::as_str).collect();
    let ids: BTreeSet<&str> = harness_harden::ALL.iter().map(|check| check.id).collect();
    assert_eq!(tripped, ids, "a check without a lie, or a lie that names an unknown check");
    for trip in &trips {
        assert!(trip.checks.len() <= 3, "`{}` breaks more than one promise: {:?}", trip.lie, trip.checks);
    }
}

#[test]
fn every_check_holds_on_the_stack() {
    let run = harden(&root(), &[]);
    assert_eq!(run.code, Some(0), "{}", run.output);
    let states: BTreeSet<&str> = run.checks.values().map(|(state, _)| state.as_str()).collect();
    assert_eq!(states, BTreeSet::from(["pass"]), "{:#?}", run.checks);
    assert_eq!(run.checks.len(), harness_harden::ALL.len());
}

/// Returns true if this run must try a lie or a broken copy alone.
fn is_wanted(name: &str) -> bool {
    std::env::var_os("TRIP").map_or(std::env::var_os("EVERY_TRIP").is_some(), |wanted| wanted == name)
}

fn problem(name: &str, run: &Hardened, expected: &BTreeSet<String>) -> Option<String> {
    let failed = run.failed();
    (run.code != Some(1) || failed != *expected)
        .then(|| format!("`{name}`: code {:?}, failed {failed:?}, expected {expected:?}\n{}", run.code, run.output))
}

#[test]
fn each_trip_fails_its_own_check_and_no_other() {
    let trips = trips();
    if std::env::var_os("EVERY_TRIP").is_some() || std::env::var_os("TRIP").is_some() {
        let mut problems = Vec::new();
        for trip in trips.iter().filter(|trip| is_wanted(&trip.lie)) {
            // Uses memory if it has the lie, because several checks test only memory.
            let memory = trip.services.iter().find(|service| *service == "memory");
            let service = memory.unwrap_or(&trip.services[0]);
            let run = harden(&root(), &[(service.as_str(), trip.lie.as_str())]);
            problems.extend(problem(&trip.lie, &run, &trip.checks));
        }
        problems.extend(broken_copies().iter().filter(|broken| is_wanted(&broken.name)).filter_map(|broken| {
            let copied = tempfile::tempdir().unwrap();
            copy(copied.path(), &[broken]);
            // The other checks do not read files.
            let arguments = ["--only", "CON", "--only", "SUP"].map(str::to_owned);
            problem(&broken.name, &harden_with(copied.path(), &arguments), &broken.checks)
        }));
        let names = trips.iter().map(|trip| trip.lie.as_str());
        let any = names.chain(broken_copies().iter().map(|broken| broken.name.as_str())).any(is_wanted);
        assert!(any, "`TRIP` names no lie and no broken copy");
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        return;
    }
    // All at once, because each run starts a stack.
    let (copied, all) = (tempfile::tempdir().unwrap(), broken_copies());
    let broken: Vec<&StepFailed> = all.iter().filter(|broken| BROKEN.contains(&broken.name.as_str())).collect();
    copy(copied.path(), &broken);
    let run = harden(copied.path(), ONE_OF_EACH_FAMILY);
    let find = |lie: &str| trips.iter().find(|trip| trip.lie == lie).unwrap_or_else(|| panic!("no lie `{lie}`"));
    let of_files = broken.iter().flat_map(|broken| broken.checks.clone());
    let of_lies = ONE_OF_EACH_FAMILY.iter().flat_map(|(_, lie)| find(lie).checks.clone());
    let expected: BTreeSet<String> = of_lies.chain(of_files).collect();
    assert_eq!((run.code, run.failed()), (Some(1), expected), "{}", run.output);
}

#[test]
fn every_broken_copy_changes_its_file() {
    for broken in &broken_copies() {
        copy(tempfile::tempdir().unwrap().path(), &[broken]);
        assert!(broken.find != broken.replace && !broken.checks.is_empty(), "{}", broken.name);
    }
}
