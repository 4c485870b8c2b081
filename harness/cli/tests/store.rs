//! `--store` and `--instances`: a load on a Postgres server with two instances of memory, what is refused, and what a killed harness leaves.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/program.rs"]
mod program;
#[path = "support/wait.rs"]
mod wait;

use program::{code, harness, run, text};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use wait::wait_until;

const SHORT: [&str; 17] = [
    "load",
    "memory",
    "--store",
    "postgres",
    "--instances",
    "2",
    // A crowded machine sends arrivals late, and the run is unknown then.
    "--arrivals",
    "0",
    "--users",
    "6",
    "--organisations",
    "3",
    "--warmup",
    "500ms",
    // Two seconds have too few calls for the percentiles of a profile.
    "--threshold",
    "error_rate<0.1%",
    "--duration",
];

/// Returns the processes whose working directory is in `folder`.
fn processes_of(folder: &Path) -> Vec<i32> {
    let folder = folder.canonicalize().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&folder)))
        .collect()
}

fn only_run(folder: &Path) -> Option<PathBuf> {
    std::fs::read_dir(folder.join("runs")).ok()?.flatten().map(|entry| entry.path()).find(|path| path.is_dir())
}

#[test]
fn a_load_is_spread_over_two_instances_on_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[&SHORT[..], &["2s", "--seed", "7"]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    let directory = only_run(folder.path()).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap();
    for part in ["memory-1", "memory-2", "postgres"] {
        assert!(report["parts"][part]["rss_peak_bytes"].as_u64().unwrap() > 0, "{part}");
    }
    for part in ["memory-1", "memory-2"] {
        let log = std::fs::read_to_string(directory.join(format!("logs/{part}.log"))).unwrap();
        assert!(log.contains("store_memory"), "`{part}` had no call: {log}");
    }
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
    assert!(!directory.join("data").exists(), "the data of the stack remains");
}

#[test]
fn the_plan_names_the_store_and_what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plan = run(folder.path(), &["plan", "load", "workflow", "--store", "postgres"]);
    assert_eq!(code(&plan), 0, "{}", text(&plan));
    let line = "store        postgres for memory; sqlite for guardrails, patterns, orchestrator";
    assert!(text(&plan).contains(line), "{}", text(&plan));
    std::fs::write(folder.path().join("harness.toml"), "[stack]\nstore = \"postgres\"\ninstances = 2\n").unwrap();
    let by_settings = run(folder.path(), &["plan", "load", "memory"]);
    assert!(text(&by_settings).contains("redis, postgres, memory-1, memory-2"), "{}", text(&by_settings));

    for (arguments, why) in [
        (&["plan", "load", "memory", "--store", "sqlite", "--instances", "2"][..], "hint: add `--store postgres`"),
        (&["plan", "load", "memory", "--backend", "docker"], "use `--backend process`"),
        (&["plan", "scenario", "database-upgrade"], "use `--store sqlite`"),
        (&["plan", "chaos", "database-locked"], "it has no SQLite database"),
    ] {
        let refused = run(folder.path(), arguments);
        assert!(code(&refused) == 64 && text(&refused).contains(why), "{arguments:?}: {}", text(&refused));
    }
    assert!(!folder.path().join("runs").exists(), "something was started");
}

#[test]
fn a_killed_harness_leaves_no_process_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = harness();
    command.current_dir(folder.path()).args(SHORT).arg("60s").stdout(Stdio::null()).stderr(Stdio::null());
    let mut running: Child = command.spawn().unwrap();
    let server = || only_run(folder.path()).map(|run| run.join("data/postgres")).filter(|server| server.exists());
    wait_until("the server did not start", || server().is_some_and(|server| processes_of(&server).len() > 3));
    running.kill().unwrap();
    running.wait().unwrap();
    wait_until("a process remains", || processes_of(folder.path()).is_empty());
}
