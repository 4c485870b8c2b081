//! A harness that is interrupted or killed: what it started ends with it.

use crate::program::{code, harness, run, text};
use crate::wait::wait_until;
use crate::{only_run, processes_of};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

fn started(folder: &Path) -> Child {
    let mut command = harness();
    command.current_dir(folder).args([
        "load",
        "memory",
        "--users",
        "4",
        "--organisations",
        "2",
        "--warmup",
        "1s",
        "--duration",
        "60s",
    ]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn is_driving(folder: &Path) -> bool {
    let runs = std::fs::read_dir(folder.join("runs")).into_iter().flatten().flatten();
    runs.map(|entry| entry.path().join("history.jsonl"))
        .any(|history| history.metadata().is_ok_and(|file| file.len() > 0))
}

#[test]
fn an_interrupt_stops_everything_and_leaves_a_partial_report() {
    ends_in_order(nix::sys::signal::Signal::SIGINT);
}

#[test]
fn a_request_to_terminate_stops_everything_as_an_interrupt_does() {
    ends_in_order(nix::sys::signal::Signal::SIGTERM);
    ends_in_order(nix::sys::signal::Signal::SIGHUP);
}

fn ends_in_order(signal: nix::sys::signal::Signal) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path());
    wait_until("the load did not begin", || is_driving(folder.path()));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let directory = only_run(folder.path());
    let report: Value = serde_json::from_slice(&std::fs::read(directory.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}

#[test]
fn the_reaper_stops_everything_after_a_kill_of_the_harness() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path());
    wait_until("the load did not begin", || is_driving(folder.path()));
    assert!(processes_of(folder.path()).len() > 1, "the stack and the driver work in the folder of the run");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("something was left running", || processes_of(folder.path()).is_empty());
}

/// How often the harness is killed while it starts. One kill in twenty left a process before processes died with their
/// owner, so that sixty would be needed to see that fault; each of these kills waits for a moment of its own.
const EARLY_KILLS: u32 = 20;
const EARLY: Duration = Duration::from_millis(300);

#[test]
fn nothing_is_left_of_a_harness_that_is_killed_while_it_starts() {
    for kill in 0..EARLY_KILLS {
        let folder = tempfile::tempdir().unwrap();
        let mut child = started(folder.path());
        std::thread::sleep(EARLY * kill / EARLY_KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("something was left running", || processes_of(folder.path()).is_empty());
    }
}

#[test]
fn nothing_is_left_of_a_harness_that_is_killed_with_its_reaper_and_recover_names_the_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path());
    wait_until("the load did not begin", || is_driving(folder.path()));
    let reaper = reaper_of(child.id()).expect("the harness has a reaper");
    // The reaper first: it must not see the end of the harness.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(reaper), nix::sys::signal::Signal::SIGKILL).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("something was left running", || processes_of(folder.path()).is_empty());
    let recovered = run(folder.path(), &["chaos", "recover"]);
    assert_eq!(code(&recovered), 0, "{}", text(&recovered));
    for part in ["redis", "memory"] {
        assert!(text(&recovered).contains(&format!("it has ended, `{part}`")), "{}", text(&recovered));
    }
    let again = run(folder.path(), &["chaos", "recover"]);
    assert!(text(&again).contains("0 faults and parts"), "{}", text(&again));
}

/// Returns the id of a harness's reaper.
fn reaper_of(harness: u32) -> Option<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let is_reaper = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        status.contains(&format!("PPid:\t{harness}\n")) && words.contains("__reap")
    };
    all.into_iter().find(is_reaper)
}
