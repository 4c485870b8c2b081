//! `harness chaos --on-trial`: a caught lie passes the trial, and a lie that is not caught never does.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A short experiment for slow machines: late calls make it unknown, and only the lie can make it fail.
const EXPERIMENT: &str = r#"
id = "T1"
about = "calls are slower for a moment"
stack = "memory"
steady = "1s"
recovery = "1s"
catches = ["memory=LIE"]

[load]
rate = 40
users = 20
call_deadline = "30s"
mix = { store_memory = 1, list_memories = 1 }

[[fault]]
kind = "network"
from = "client"
to = "memory"
rule = { toxic = { kind = "latency", delay_ms = 20 } }
lasts = "1500ms"

[expect]
recovery = "10m"
"#;

/// Puts the experiment on trial against a lie. Returns the exit code, the output and the table.
fn trial(folder: &Path, lie: &str) -> (i32, String, String) {
    let file = folder.join(format!("{lie}.toml"));
    std::fs::write(&file, EXPERIMENT.replace("LIE", lie)).unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_harness"));
    for needed in ["mcp-memory", "liar"] {
        let needed = program.with_file_name(needed);
        assert!(needed.is_file(), "{} is not there: cargo build --workspace --bins", needed.display());
    }
    let mut command = Command::new(program);
    command.current_dir(folder).env("NO_COLOR", "1").env_remove("JWT_SECRET").stdin(Stdio::null());
    command.args(["chaos", "--on-trial", file.to_str().unwrap(), "--backend", "process"]);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let table = std::fs::read_to_string(folder.join("runs/trial.md")).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().unwrap(), said, table)
}

#[test]
fn a_lie_that_is_caught_passes_the_trial() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said, table) = trial(folder.path(), "half-event");
    assert_eq!(code, 0, "{said}");
    assert!(folder.path().join("runs/trial.html").is_file(), "{said}");
    assert!(said.contains("1 of 1 lie caught") && table.contains("| `memory=half-event` | caught |"), "{said}{table}");
}

#[test]
fn a_lie_that_is_not_caught_never_passes_the_trial() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said, table) = trial(folder.path(), "trace-dropped");
    // Exit code 1 if the lie was not caught, 2 if the run proved nothing.
    assert!([1, 2].contains(&code), "{code}: {said}");
    assert!(
        said.contains("0 of 1 lie caught")
            && table.contains(if code == 1 { "**missed**" } else { "**proved nothing**" }),
        "{said}{table}"
    );
}
