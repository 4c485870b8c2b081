//! The catalogue on a server that is not ours, built on rmcp. The table names what it really lacks; any other failure is a false alarm.
#![expect(clippy::unwrap_used, reason = "a failed setup is a failed test")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A mode of the sample server, and the ids of the checks that it fails for a reason.
struct Known {
    name: &'static str,
    fails: &'static [&'static str],
}

const KNOWN: &[Known] = &[
    // It accepts every origin, reads the first of two hosts, and forbids no guessing of its types.
    Known { name: "modern", fails: &["MCP-TRN-01", "MCP-TRN-02", "MCP-TRN-12"] },
];

/// A running server. It ends when this is dropped.
struct Server {
    url: String,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let program = folder.join(name);
    assert!(program.is_file(), "{} does not exist: run cargo build --workspace --bins", program.display());
    program
}

/// Starts the sample server in a mode.
fn start(name: &str) -> Server {
    let mut command = Command::new(program("sample-server"));
    let mut child = command.arg(name).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    Server { url: url.trim().to_owned(), child }
}

/// Returns the state and the summary of each check on a server, by its id.
fn harden(server: &Server, folder: &Path) -> BTreeMap<String, (String, String)> {
    let mut command = Command::new(program("harness"));
    command.current_dir(folder).env("NO_COLOR", "1").args(["harden", "--target", &server.url, "--seed", "1"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut runs = std::fs::read_dir(folder.join("runs")).unwrap_or_else(|_| panic!("{said}"));
    let report = std::fs::read(runs.next().unwrap().unwrap().path().join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = report["hardening"]["checks"].as_array().into_iter().flatten();
    checks.map(|check| (text(&check["id"]), (text(&check["state"]), text(&check["summary"])))).collect()
}

#[test]
fn servers_of_known_frameworks_fail_only_what_they_really_lack() {
    let mut problems = Vec::new();
    for Known { name, fails } in KNOWN {
        let folder = tempfile::tempdir().unwrap();
        let checks = harden(&start(name), folder.path());
        let failed: BTreeSet<&str> =
            checks.iter().filter(|(_, (state, _))| state == "fail").map(|(id, _)| id.as_str()).collect();
        if failed != fails.iter().copied().collect() {
            problems.push(format!("{name} fails {failed:?}, expected {fails:?}\n{checks:#?}"));
        }
        // Something must have been looked at, and an undecided check is none that passes.
        assert!(checks.values().filter(|(state, _)| state == "pass").count() >= 5, "{name}: {checks:#?}");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
