//! The catalogue on servers that are not ours. The table names what each really lacks; any other failure is a false alarm.
#![expect(clippy::unwrap_used, reason = "a failed setup is a failed test")]

#[path = "support/foreign.rs"]
mod foreign;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "the report is read here, not the exit code")]
mod program;

use foreign::Foreign;
use program::{harness, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;

/// A server, and the ids of the checks that it fails for a reason.
struct Known {
    name: &'static str,
    start: fn(&Path) -> Foreign,
    fails: &'static [&'static str],
}

/// rmcp accepts every origin, reads the first of two hosts, and does not forbid browsers to guess the type of a reply.
const RMCP: &[&str] = &["MCP-TRN-01", "MCP-TRN-02", "MCP-TRN-12"];
/// The Python SDK accepts a body in UTF-16, and its replies name uvicorn.
const PYTHON: &[&str] = &["MCP-TRN-07", "MCP-TRN-12"];
/// FastMCP also starts its server without a list of hosts and origins.
const FASTMCP: &[&str] = &["MCP-TRN-01", "MCP-TRN-02", "MCP-TRN-07", "MCP-TRN-12"];

const KNOWN: &[Known] = &[
    Known { name: "rmcp, 2026-07-28", start: |folder| Foreign::sample("modern", &[], folder), fails: RMCP },
    Known { name: "rmcp, stateless", start: |folder| Foreign::sample("stateless", &[], folder), fails: RMCP },
    Known { name: "rmcp, sessions", start: |folder| Foreign::sample("sessions", &[], folder), fails: RMCP },
    Known { name: "Python SDK 1", start: |folder| Foreign::python("mcp1", "kg_sqlite.py", folder), fails: PYTHON },
    Known { name: "Python SDK 2", start: |folder| Foreign::python("mcp2", "kg_sqlite.py", folder), fails: PYTHON },
    Known { name: "FastMCP", start: |folder| Foreign::python("fastmcp", "kg_sqlite.py", folder), fails: FASTMCP },
];

/// Returns the state and the summary of each check on a server, by its id.
fn harden(server: &Foreign, folder: &Path) -> BTreeMap<String, (String, String)> {
    let output: Output =
        harness().current_dir(folder).args(["harden", "--target", &server.url, "--seed", "1"]).output().unwrap();
    let printed = text(&output);
    let mut runs = std::fs::read_dir(folder.join("runs")).unwrap_or_else(|_| panic!("{printed}"));
    let report = std::fs::read(runs.next().unwrap().unwrap().path().join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = report["hardening"]["checks"].as_array().into_iter().flatten();
    checks.map(|check| (text(&check["id"]), (text(&check["state"]), text(&check["summary"])))).collect()
}

/// Returns what is wrong with the verdicts on a server.
fn false_alarms(known: &Known) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let checks = harden(&(known.start)(folder.path()), folder.path());
    let failed: BTreeSet<&str> =
        checks.iter().filter(|(_, (state, _))| state == "fail").map(|(id, _)| id.as_str()).collect();
    // A server that answers nothing fails nothing, so some checks must pass. A busy machine may leave others undecided.
    let passed = checks.values().filter(|(state, _)| state == "pass").count();
    let is_right = failed == known.fails.iter().copied().collect() && passed >= 5;
    (!is_right)
        .then(|| format!("{}: fails {failed:?}, expected {:?}; {passed} pass\n{checks:#?}", known.name, known.fails))
}

#[test]
fn servers_of_known_frameworks_fail_only_what_they_really_lack() {
    let problems: Vec<String> = std::thread::scope(|scope| {
        let tries: Vec<_> = KNOWN.iter().map(|known| scope.spawn(|| false_alarms(known))).collect();
        tries.into_iter().filter_map(|run| run.join().unwrap()).collect()
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
