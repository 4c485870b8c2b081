//! The folder of the runs: which runs are kept, how an incomplete run is reported, and a disk that is full.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/program.rs"]
mod program;
#[path = "support/wait.rs"]
mod wait;

use program::{code, harness, run, text};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wait::wait_until;

const QUICK: [&str; 2] = ["scenario", "idempotent-retry"];

fn runs(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn listed(folder: &Path) -> Vec<Value> {
    let output = run(folder, &["runs", "list", "--json"]);
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_newest_runs_are_kept_listed_opened_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("harness.toml"), "[runs]\nkeep = 2\n").unwrap();
    assert_eq!(code(&run(folder.path(), &["runs", "open"])), 64, "there is none yet");
    // Earlier runs, of which the oldest must be removed.
    for id in ["2020-01-01", "2020-01-02", "2020-01-03"] {
        let old = folder.path().join("runs").join(id);
        std::fs::create_dir_all(&old).unwrap();
        std::fs::write(old.join("plan.json"), "{}").unwrap();
    }
    let output = run(folder.path(), &QUICK);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let left = runs(folder.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].ends_with("2020-01-03"), "{left:?}");

    let entries = listed(folder.path());
    assert_eq!((&entries[0]["verdict"], &entries[0]["state"]), (&Value::from("pass"), &Value::from("whole")));
    assert_eq!(entries[1]["state"], "cut off");
    assert!(text(&run(folder.path(), &["runs", "list"])).contains("never closed"));

    let mut open = harness();
    open.env("BROWSER", "true").current_dir(folder.path()).args(["runs", "open", "--json"]);
    let opened: Value = serde_json::from_slice(&open.output().unwrap().stdout).unwrap();
    assert_eq!(opened["opened"], true, "{opened}");
    assert!(Path::new(opened["report"].as_str().unwrap()).is_file());

    let history = left[1].join("history.jsonl");
    let kept = std::fs::read(&history).unwrap();
    std::fs::write(&history, &kept[..kept.len() / 2]).unwrap();
    assert_eq!(listed(folder.path())[0]["state"], "changed");
    let check = run(folder.path(), &["check"]);
    assert_ne!(code(&check), 0);
    assert!(text(&check).contains("changed after the run: `history.jsonl` has"), "{}", text(&check));

    let dry = run(folder.path(), &["runs", "prune", "--keep", "1", "--dry-run"]);
    assert!(text(&dry).contains("would remove") && runs(folder.path()).len() == 2, "{}", text(&dry));
    assert_eq!(code(&run(folder.path(), &["runs", "prune", "--keep", "1"])), 0);
    assert_eq!(runs(folder.path()), left[1..]);
}

#[test]
fn an_unwritable_folder_is_reported_in_one_line_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for command in [&["gate"][..], &QUICK, &["load", "memory"], &["chaos", "redis-outage"]] {
        for place in ["file", "/proc/runs"] {
            let output = run(folder.path(), &[command, &["--runs", place]].concat());
            assert_eq!(code(&output), 70, "{}", text(&output));
            let output = text(&output);
            assert!(output.starts_with("harness: the folder of the runs `"), "{output}");
            assert!(output.contains("hint: choose another with `--runs`") && output.lines().count() == 2, "{output}");
        }
    }
}

/// Returns the harness, started through a shell. The shell makes a write past a limit an error, as on a full disk,
/// instead of a signal that ends the process.
fn on_a_small_disk(folder: &Path, arguments: &str) -> Command {
    let program = harness().get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; exec \"$0\" {arguments}")).arg(program);
    shell.env("NO_COLOR", "1").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

/// Returns the process id of the driver that a harness has started, if the driver is running.
fn driver_of(harness: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{harness}/task/{harness}/children"));
    let threads = std::fs::read_dir(format!("/proc/{harness}/task")).ok()?.flatten();
    let all = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let all: Vec<u32> = all
        .chain(children)
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|pid| pid.parse().ok())
        .collect();
    all.into_iter()
        .find(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("__drive")))
}

#[test]
fn a_disk_that_fills_while_a_load_is_recorded_ends_it_unknown_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let load = "load memory --users 6 --organisations 3 --warmup 500ms --duration 40s";
    let child = on_a_small_disk(folder.path(), load).spawn().unwrap();
    let history = |folder: &Path| {
        let found = std::fs::read_dir(folder.join("runs")).into_iter().flatten().flatten();
        found.map(|run| run.path().join("history.jsonl")).find(|path| path.metadata().is_ok_and(|file| file.len() > 0))
    };
    wait_until("the load did not begin", || history(folder.path()).is_some() && driver_of(child.id()).is_some());
    let driver = driver_of(child.id()).unwrap();
    let length = history(folder.path()).unwrap().metadata().unwrap().len();
    let limited =
        Command::new("prlimit").arg(format!("--fsize={}", length + 1_000)).arg(format!("--pid={driver}")).status();
    assert!(limited.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    let run = runs(folder.path()).pop().unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(run.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["verdict"], "unknown");
    let because = report["because"].as_str().unwrap();
    assert!(because.contains("cannot record the history") || because.contains("incomplete"), "{because}");
    assert!(
        !std::fs::read_dir(&run)
            .unwrap()
            .flatten()
            .any(|file| file.path().extension().is_some_and(|end| end == "part"))
    );
}

#[test]
fn a_disk_that_fills_while_a_scenario_is_recorded_leaves_no_complete_run() {
    let folder = tempfile::tempdir().unwrap();
    // The limit applies only to the harness, not to the services that it starts.
    let scenario = "scenario tenant-isolation --seed 7";
    let child = on_a_small_disk(folder.path(), scenario).spawn().unwrap();
    let begun = |folder: &Path| {
        let found = std::fs::read_dir(folder.join("runs")).into_iter().flatten().flatten();
        found.into_iter().any(|run| run.path().join("surroundings.json").is_file())
    };
    wait_until("the scenario did not begin", || begun(folder.path()));
    let limited = Command::new("prlimit").arg("--fsize=10").arg(format!("--pid={}", child.id())).status();
    assert!(limited.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("hint: free space on that disk"), "{}", text(&output));
    let entry = &listed(folder.path())[0];
    assert_eq!(entry["state"], "cut off", "{entry}");
    assert!(entry["verdict"].is_null(), "{entry}");
}
