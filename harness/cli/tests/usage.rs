//! `harness usage`: a table and JSON from the logs of the orchestrator, and one clear error for files that are no such logs.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/program.rs"]
mod program;

use program::{code, harness, run, text};
use serde_json::Value;
use std::io::Write as _;
use std::process::Stdio;

/// Lines as the orchestrator writes them; the second file has what a newer version wrote.
const LOGS: [(&str, &str); 2] = [
    (
        "mcp-orchestrator.1.log",
        r#"{"timestamp":"2026-11-23T08:00:00Z","service":"orchestrator","severity":"info","orgId":"acme","model":"small","promptTokens":2000,"completionTokens":100,"costMicroUsd":1150,"message":"a call to a model was paid"}
{"timestamp":"2026-11-23T08:00:01Z","service":"orchestrator","severity":"info","orgId":"acme","tool":"run_workflow","outcome":"ok"}
"#,
    ),
    (
        "mcp-orchestrator.2.log",
        r#"{"timestamp":"2026-11-24T08:00:00Z","service":"orchestrator","severity":"info","orgId":"acme","plan":"team","model":"small","promptTokens":1000,"completionTokens":1000,"costMicroUsd":2000,"message":"a call to a model was paid"}
a line of another program
{"timestamp":"2026-11-24T09:00:00Z","service":"orchestrator","severity":"info","orgId":"zeta","plan":"pro","model":"large","promptTokens":10,"completionTokens":10,"costMicroUsd":20,"message":"a call to a model was paid"}
"#,
    ),
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, log) in LOGS {
        std::fs::write(folder.path().join(name), log).unwrap();
    }
    folder
}

#[test]
fn cost_is_summed_up_by_organisation_plan_and_model() {
    let folder = folder();
    let table = run(folder.path(), &["usage", "mcp-orchestrator.1.log", "mcp-orchestrator.2.log"]);
    assert_eq!(code(&table), 0, "{}", text(&table));
    let lines: Vec<Vec<String>> = String::from_utf8_lossy(&table.stdout)
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect();
    let expected = [
        "acme team small 1 1000 1000 0.002000",
        "acme unknown small 1 2000 100 0.001150",
        "zeta pro large 1 10 10 0.000020",
        "total 3 3010 1110 0.003170",
    ];
    assert_eq!(lines[1..].iter().map(|words| words.join(" ")).collect::<Vec<_>>(), expected);
    assert!(text(&table).contains("`mcp-orchestrator.2.log`: 1 line is no log line"), "{}", text(&table));
}

#[test]
fn prices_of_the_settings_days_and_json() {
    let folder = folder();
    let prices = "[usage.prices]\nsmall = { prompt = 1000000, completion = 2000000 }\n";
    std::fs::write(folder.path().join("harness.toml"), prices).unwrap();
    let files = ["mcp-orchestrator.1.log", "mcp-orchestrator.2.log"];
    let json = run(folder.path(), &["usage", "--json", "--since", "2026-11-24", files[0], files[1]]);
    assert_eq!(code(&json), 0, "{}", text(&json));
    let sums: Vec<Value> =
        String::from_utf8_lossy(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let figures: Vec<_> =
        sums.iter().map(|sum| (&sum["organisation"], &sum["cost_micro_usd"], &sum["priced_by"])).collect();
    let value = |text: &str| Value::from(text);
    assert_eq!(
        figures,
        [(&value("acme"), &Value::from(3_000), &value("settings")), (&value("zeta"), &Value::from(20), &value("log")),]
    );
    let none = run(folder.path(), &["usage", "--until", "2026-11-01", files[0]]);
    assert!(code(&none) == 0 && text(&none).contains("no call to a model was paid"), "{}", text(&none));
}

#[test]
fn the_standard_input_is_a_log_too() {
    let mut child = harness().args(["usage", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(LOGS[1].1.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("zeta"), "{}", text(&output));
}

#[test]
fn an_input_that_is_not_a_log_gets_one_clear_error() {
    let folder = folder();
    std::fs::write(folder.path().join("notes.txt"), "not a log\n{}\n").unwrap();
    for (arguments, expected) in [
        (["usage", "missing.log"].as_slice(), "the log `missing.log` cannot be summed up: No such file"),
        (&["usage", "."], "the log `.` cannot be summed up: it is a folder"),
        (&["usage", "notes.txt"], "`notes.txt` is not a log of a service: none of its 2 lines"),
        (&["usage", "--since", "2026-12-01", "--until", "2026-11-01", "notes.txt"], "is after `--until 2026-11-01`"),
        (&["usage", "--since", "yesterday", "notes.txt"], "--since"),
        (&["usage"], "<FILE>"),
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(code(&output), 64, "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(expected), "`{expected}` is missing in {}", text(&output));
        assert!(output.stdout.is_empty(), "{}", text(&output));
    }
}
