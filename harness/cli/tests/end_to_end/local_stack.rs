//! A stack that stays up for a developer: tokens, configurations of clients, and the flow.

use crate::processes_of;
use crate::program::{code, run, text};
use serde_json::Value;

#[test]
fn a_stack_stays_up_gives_tokens_and_goes_down() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(&run(folder.path(), &["status"])), 64, "nothing is up yet");
    let up = run(folder.path(), &["up", "--only", "memory", "--json"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let status = run(folder.path(), &["status", "--json"]);
    let parts: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((code(&status), &parts[1]["state"]), (0, &Value::from("ready")), "{}", text(&status));
    assert_eq!(code(&run(folder.path(), &["up"])), 64, "a second one is refused");
    let token = run(folder.path(), &["token", "mint", "--user", "ann", "--org", "acme", "--quiet"]);
    assert_eq!(String::from_utf8_lossy(&token.stdout).trim().split('.').count(), 3);
    let logs = run(folder.path(), &["logs", "memory"]);
    assert!(text(&logs).contains("serving"), "{}", text(&logs));
    assert_eq!(code(&run(folder.path(), &["logs", "nothing"])), 64);
    assert_eq!(code(&run(folder.path(), &["token", "mint", "--lifetime", "2h"])), 64);
    let down = run(folder.path(), &["down"]);
    assert_eq!(code(&down), 0, "{}", text(&down));
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}

#[test]
fn a_client_configuration_reaches_the_local_stack() {
    let folder = tempfile::tempdir().unwrap();
    let none = run(folder.path(), &["client-config", "cursor"]);
    assert_eq!(code(&none), 64, "{}", text(&none));
    let up = run(folder.path(), &["up", "--only", "memory"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    for (client, servers, url) in [
        ("cursor", "mcpServers", "url"),
        ("windsurf", "mcpServers", "serverUrl"),
        ("claude", "mcpServers", "url"),
        ("vscode", "servers", "url"),
    ] {
        let output = run(folder.path(), &["client-config", client]);
        let file: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        let memory = &file[servers]["memory"];
        let token = memory["headers"]["Authorization"].as_str().unwrap();
        assert!(lists_tools(memory[url].as_str().unwrap(), token), "{client}: {file}");
    }
    let down = run(folder.path(), &["down"]);
    assert_eq!(code(&down), 0, "{}", text(&down));
}

#[test]
fn the_flow_sends_a_piece_of_work_through_the_local_stack() {
    let folder = tempfile::tempdir().unwrap();
    // Debug builds beside other programs answer later than the default deadline of a peer, and the workflow would fall back.
    std::fs::write(folder.path().join("settings"), "PEER_DEADLINE_MS=4000\n").unwrap();
    let up = run(folder.path(), &["up", "--env-file", "settings"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let output = run(folder.path(), &["flow"]);
    let steps = run(folder.path(), &["flow", "--json"]);
    let quiet = run(folder.path(), &["flow", "--quiet"]);
    assert_eq!(code(&run(folder.path(), &["down"])), 0);
    assert_eq!((code(&output), code(&steps)), (0, 0), "{} {}", text(&output), text(&steps));
    assert_eq!((code(&quiet), text(&quiet).as_str()), (0, "verdict pass\n"));
    let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let steps: Vec<Value> = String::from_utf8_lossy(&steps.stdout).lines().map(parsed).collect();
    let services: Vec<&str> = steps.iter().map(|step| step["service"].as_str().unwrap()).collect();
    assert_eq!(services, ["guardrails", "memory", "patterns", "patterns", "orchestrator"]);
    assert!(steps.iter().all(|step| step["ok"] == true && step["took_ms"].is_number()), "{steps:?}");
    assert!(text(&output).contains("Root-cause report"), "{}", text(&output));
    assert!(text(&output).contains("from 2026-03-04 10:02 at the latest until 2026-03-04 10:23"), "{}", text(&output));
    assert_eq!(processes_of(folder.path()), Vec::<i32>::new());
}

#[test]
fn a_flow_reports_what_a_browser_allows_a_page() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings"), "ALLOWED_ORIGINS=https://app.example.com\n").unwrap();
    let up = run(folder.path(), &["up", "--env-file", "settings"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let flow = |origin: &str, more: &[&str]| run(folder.path(), &[&["flow", "--origin", origin], more].concat());
    let (allowed, foreign) = (flow("https://app.example.com/", &[]), flow("https://evil.example", &[]));
    let (steps, refused) = (flow("https://app.example.com", &["--json"]), flow("https://evil.example", &["--json"]));
    assert_eq!(code(&run(folder.path(), &["down"])), 0);
    let parsed = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let steps_of =
        |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).lines().map(parsed).collect::<Vec<_>>();

    assert_eq!(code(&allowed), 0, "{}", text(&allowed));
    assert_eq!(text(&allowed).matches("may call the service and read its replies").count(), 4, "{}", text(&allowed));
    let steps = steps_of(&steps);
    assert_eq!(steps.len(), 5);
    for step in &steps {
        let browser = serde_json::json!({ "allowed": true, "why": null, "hidden_headers": [] });
        assert_eq!((&step["ok"], &step["browser"]), (&Value::Bool(true), &browser));
    }

    assert_eq!((code(&foreign), code(&refused)), (1, 1), "{}", text(&foreign));
    let why = "may not: preflight: `access-control-allow-origin` is missing";
    assert_eq!(text(&foreign).matches(why).count(), 4, "{}", text(&foreign));
    assert!(text(&foreign).contains("hint: add `https://evil.example` to `ALLOWED_ORIGINS`"), "{}", text(&foreign));
    for step in steps_of(&refused) {
        // The call was not sent, so there is no reply and no time.
        assert_eq!((&step["ok"], &step["reply"], &step["took_ms"]), (&Value::Bool(false), &Value::Null, &Value::Null));
        assert_eq!(step["browser"]["allowed"], false);
    }
    let wrong = flow("app.example.com", &[]);
    assert_eq!(code(&wrong), 64, "{}", text(&wrong));
}

/// Requests the list of tools, as a client of the older era does.
fn lists_tools(url: &str, authorization: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(url).header("authorization", authorization);
        let request = request.header("accept", "application/json, text/event-stream").json(&body);
        let reply: Value = request.send().await.unwrap().json().await.unwrap();
        reply["result"]["tools"].as_array().is_some_and(|tools| !tools.is_empty())
    })
}
