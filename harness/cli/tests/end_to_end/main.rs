//! The harness from end to end: the real program, a real Redis, the real service, and the failures of each.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

mod endings;
mod loads;
mod local_stack;
#[path = "../support/observe.rs"]
mod observe;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/promql.rs"]
mod promql;
mod scenarios;
#[path = "../support/wait.rs"]
mod wait;

use program::run;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn only_run(folder: &Path) -> PathBuf {
    let runs: Vec<PathBuf> =
        std::fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

/// Returns the processes whose working directory is in `folder`. After a run, there must be none.
pub(crate) fn processes_of(folder: &Path) -> Vec<i32> {
    let folder = folder.canonicalize().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&folder)))
        .collect()
}

#[test]
fn completions_are_a_script_that_a_shell_takes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("harness.bash");
    std::fs::write(&script, run(folder.path(), &["completions", "bash"]).stdout).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());
}
