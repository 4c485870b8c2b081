//! Loads: what they write and how they are judged, plans that are refused, and a service that does not start.

use crate::program::{code, run, text};
use crate::{observe, only_run, processes_of, promql};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

const SHORT: [&str; 14] = [
    // A crowded machine sends arrivals late, and the run is unknown then.
    "--arrivals",
    "0",
    "--users",
    "6",
    "--organisations",
    "3",
    "--warmup",
    "500ms",
    "--duration",
    "2s",
    // Two seconds have too few calls for the percentiles of a profile.
    "--threshold",
    "error_rate<0.1%",
    "--threshold",
    "max<30s",
];

#[test]
fn a_load_passes_with_every_report_and_is_judged_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[&["load", "memory", "--seed", "7"], &SHORT[..]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    let directory = only_run(folder.path());
    for name in [
        "plan.json",
        "history.jsonl",
        "driver.json",
        "samples.jsonl",
        "findings.json",
        "report.html",
        "report.md",
        "junit.xml",
    ] {
        assert!(directory.join(name).metadata().unwrap().len() > 0, "{name}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["plan"]["seed"]), (&Value::from("pass"), &Value::from(7)));
    assert!(report["operations"]["store_memory"]["ok"].as_u64().unwrap() > 0);
    assert!(report["parts"]["memory"]["rss_peak_bytes"].as_u64().unwrap() > 0);
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
    assert!(!directory.join("data").exists(), "the data of the stack was left");
    let plan = std::fs::read_to_string(directory.join("plan.json")).unwrap();
    assert!(!plan.contains("JWT_SECRET"), "the key is in the plan");

    let log = std::fs::read_to_string(directory.join("logs/memory.log")).unwrap();
    assert!(log.contains("store_memory"), "the calls are in the log: {log}");
    for secret in ["canary:", "eyJ", "Bearer"] {
        assert!(!log.contains(secret), "`{secret}` is in the log: contents and tokens never are");
    }

    for command in ["check", "report"] {
        let again = run(folder.path(), &[command]);
        assert_eq!(code(&again), 0, "{}", text(&again));
    }
    // A record that vanished from the final read is a lost write.
    let history = std::fs::read_to_string(directory.join("history.jsonl")).unwrap();
    let forged: Vec<String> = history.lines().map(lose).collect();
    std::fs::write(directory.join("history.jsonl"), forged.join("\n") + "\n").unwrap();
    let forged = run(folder.path(), &["check"]);
    assert_eq!(code(&forged), 1, "{}", text(&forged));
    assert!(text(&forged).contains("acknowledged and is gone") || text(&forged).contains("lost"), "{}", text(&forged));
}

/// Removes the content from a final read.
fn lose(line: &str) -> String {
    let mut op: Value = serde_json::from_str(line).unwrap();
    // Walks over lists are final reads as well.
    if op["phase"] == "final"
        && let Some(read) = op.pointer_mut("/effect/read").and_then(Value::as_object_mut)
    {
        read.remove("value");
    }
    op.to_string()
}

#[test]
fn a_short_run_of_every_other_built_in_profile_passes() {
    for profile in ["memory-classic", "guardrails", "patterns", "workflow", "full"] {
        let folder = tempfile::tempdir().unwrap();
        // The bounds on latency of the profiles hold for release builds on a quiet machine.
        let load = ["load", profile, "--threshold", "error_rate<0.1%"];
        let output = run(folder.path(), &[&load[..], &SHORT[..]].concat());
        assert_eq!(code(&output), 0, "{profile}: {}", text(&output));
        // It calls every service, so the metrics of its stack are all that there are.
        if profile == "full" {
            queries_name_what_services_export(&only_run(folder.path()).join("metrics"));
        }
    }
}

/// Alerts and dashboards name only metrics, labels and values that the services export.
fn queries_name_what_services_export(scraped: &Path) {
    let recorded = observe::rules().into_iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned));
    let metrics = promql::Metrics::of_run(scraped).with_recorded(recorded);
    let queries = observe::queries();
    assert!(queries.len() > 50, "{}", queries.len());
    let problems: Vec<String> = queries.iter().flat_map(|query| metrics.problems(query)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_threshold_that_is_broken_fails() {
    let folder = tempfile::tempdir().unwrap();
    // Every call takes longer than a busy machine can explain. A bound that is broken by less is unknown beside other programs.
    let slow = ["load", "memory", "--slow", "memory=500ms", "--threshold", "p50<100ms"];
    let output = run(folder.path(), &[&slow[..], &SHORT[..]].concat());
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("latency            fail"), "{}", text(&output));
}

#[test]
fn an_open_load_makes_its_arrivals() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &[
            &["load", "memory", "--users", "20", "--warmup", "500ms", "--rate", "50", "--duration", "3s", "--json"][..],
            &["--threshold", "error_rate<0.1%", "--threshold", "p90<1s"],
        ]
        .concat(),
    );
    let directory = only_run(folder.path());
    let driver: Value = serde_json::from_slice(&std::fs::read(directory.join("driver.json")).unwrap()).unwrap();
    assert_eq!(driver["planned_arrivals"], 150, "{}", text(&output));
    assert_eq!(driver["arrivals"], 150);
    // A busy machine may send the calls late. The run is then unknown, and never a fail.
    assert!([0, 2].contains(&code(&output)), "{}", text(&output));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let _: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn a_bad_plan_is_reported_as_a_whole_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let few = run(folder.path(), &["load", "memory", "--rate", "20", "--duration", "5s", "--threshold", "p99<1s"]);
    assert_eq!(code(&few), 64);
    assert!(text(&few).contains("about 100 calls are planned, and p99 needs at least 1000"), "{}", text(&few));
    let unknown = run(folder.path(), &["load", "memry"]);
    assert_eq!(code(&unknown), 64);
    assert!(text(&unknown).contains("did you mean `memory`"), "{}", text(&unknown));
    std::fs::write(
        folder.path().join("mine.toml"),
        "users = \"many\"\nmodle = \"closed\"\n[thresholds]\nall = [\"p99<soon\"]\n",
    )
    .unwrap();
    let bad = run(folder.path(), &["load", "mine.toml"]);
    assert_eq!(code(&bad), 64);
    for place in ["mine.toml:1", "mine.toml:2", "mine.toml:4"] {
        assert!(text(&bad).contains(place), "{place} is missing in {}", text(&bad));
    }
    let foreign = run(folder.path(), &["load", "memory", "--url", "memory=http://192.0.2.1:7420"]);
    assert_eq!(code(&foreign), 64, "{}", text(&foreign));
    for arguments in [
        &["load"][..],
        &["load", "memory", "--users", "none"],
        &["load", "memory", "--rate", "5", "--think-time", "1s"],
        &["load", "memory", "--limits", "0.25cpu"],
        &["nonsense"],
    ] {
        assert_eq!(code(&run(folder.path(), arguments)), 64, "{arguments:?}");
    }
    assert!(!folder.path().join("runs").exists(), "something was started");
}

#[test]
fn a_plan_is_printed_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["plan", "load", "memory", "--users", "20", "--json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &plan["subject"]["load"]["users"]), (0, &Value::from(20)));
    assert!(plan["command"].as_str().unwrap().starts_with("harness load memory --users 20"), "{plan}");
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_service_that_is_missing_or_dies_is_reported_with_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("harness");
    std::fs::copy(env!("CARGO_BIN_EXE_harness"), &alone).unwrap();
    let load = || {
        Command::new(&alone).current_dir(folder.path()).args(["load", "memory"]).stdin(Stdio::null()).output().unwrap()
    };
    let missing = load();
    assert_eq!(code(&missing), 69, "{}", text(&missing));
    assert!(text(&missing).contains("`mcp-memory` was not found"), "{}", text(&missing));

    let dying = folder.path().join("mcp-memory");
    std::fs::write(&dying, "#!/bin/sh\necho 'the disk is on fire' >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&dying, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let died = load();
    assert_eq!(code(&died), 69, "{}", text(&died));
    assert!(text(&died).contains("the disk is on fire"), "{}", text(&died));
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}
