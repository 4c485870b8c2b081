//! One workflow is one connected trace, as a collector receives it from all four services.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/collector.rs"]
mod collector;
#[path = "support/program.rs"]
mod program;

use collector::{Collector, Span};
use program::{code, harness, run, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const SERVICES: [&str; 4] = ["mcp-guardrails", "mcp-memory", "mcp-orchestrator", "mcp-patterns"];
/// The span of the caller.
const CALLER: &str = "b7ad6b7169203331";

/// Runs a workflow on the stack that `harness up` started, as a part of `trace` if there is one.
async fn run_workflow(folder: &Path, trace: Option<&str>) {
    let state = std::fs::read_to_string(folder.join(".harness/stack.json")).unwrap();
    let stack: Value = serde_json::from_str(&state).unwrap();
    let parts = stack["parts"].as_array().unwrap();
    let url = parts.iter().find(|part| part["name"] == "orchestrator").unwrap()["url"].as_str().unwrap();
    let token = harness().current_dir(folder).args(["token", "mint"]).output().unwrap();
    let arguments = json!({ "agent": "general", "action": "answer", "intent": "say what the release waits for" });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "run_workflow", "arguments": arguments } });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client
        .post(format!("{url}/mcp"))
        .bearer_auth(String::from_utf8(token.stdout).unwrap().trim())
        .header("accept", "application/json, text/event-stream")
        .json(&body);
    if let Some(trace) = trace {
        request = request.header("traceparent", format!("00-{trace}-{CALLER}-01"));
    }
    let reply: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(reply["result"]["structuredContent"]["status"], "completed", "{reply}");
}

/// Returns what is wrong with a trace whose root has this parent; empty if it is connected and has all services.
fn problems(spans: &[&Span], parent_of_root: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let services: BTreeSet<&str> = spans.iter().map(|span| &*span.service).collect();
    if services.iter().ne(&SERVICES) {
        problems.push(format!("its services are {services:?}"));
    }
    let roots: Vec<&&Span> = spans.iter().filter(|span| span.parent == parent_of_root).collect();
    if roots.len() != 1 || roots[0].service != "mcp-orchestrator" || !roots[0].name.contains("run_workflow") {
        problems.push(format!("its roots are {roots:?}"));
    }
    let ids: BTreeSet<&str> = spans.iter().map(|span| &*span.id).collect();
    if ids.len() != spans.len() {
        problems.push("two spans have one id".to_owned());
    }
    let is_connected = |span: &&&Span| span.parent == parent_of_root || ids.contains(&*span.parent);
    problems.extend(spans.iter().filter(|span| !is_connected(span)).map(|span| format!("{span:?} has no parent here")));
    problems
}

#[tokio::test(flavor = "multi_thread")]
async fn one_workflow_is_one_connected_trace_of_all_services() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let settings =
        format!("OTEL_EXPORTER_OTLP_ENDPOINT={}\nPEER_DEADLINE_MS=3000\nWORKFLOW_DEADLINE_MS=9000\n", collector.url);
    std::fs::write(folder.path().join("settings"), settings).unwrap();
    let up = run(folder.path(), &["up", "--env-file", "settings"]);
    assert_eq!(code(&up), 0, "{}", text(&up));
    let traces = ["0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"];
    for trace in traces {
        run_workflow(folder.path(), Some(trace)).await;
    }
    run_workflow(folder.path(), None).await;
    // A service sends its last spans before it ends.
    let down = run(folder.path(), &["down"]);
    assert_eq!(code(&down), 0, "{}", text(&down));

    let spans = collector.spans();
    for trace in traces {
        let mine: Vec<&Span> = spans.iter().filter(|span| span.trace == trace).collect();
        assert_eq!(problems(&mine, CALLER), [""; 0], "{mine:#?}");
    }
    let others: Vec<&Span> = spans.iter().filter(|span| !traces.contains(&&*span.trace)).collect();
    let workflow = others.iter().find(|span| span.name.contains("run_workflow")).unwrap();
    let mine: Vec<&Span> = others.iter().copied().filter(|span| span.trace == workflow.trace).collect();
    assert_eq!(problems(&mine, ""), [""; 0], "{mine:#?}");
}

#[test]
fn a_trace_with_a_gap_or_without_a_service_is_found() {
    let span = |service: &str, id: &str, parent: &str| Span {
        service: service.to_owned(),
        name: "tools/call run_workflow".to_owned(),
        trace: "t".to_owned(),
        id: id.to_owned(),
        parent: parent.to_owned(),
    };
    let whole = [
        span("mcp-orchestrator", "1", "c"),
        span("mcp-memory", "2", "1"),
        span("mcp-patterns", "3", "1"),
        span("mcp-guardrails", "4", "1"),
    ];
    assert_eq!(problems(&whole.iter().collect::<Vec<_>>(), "c"), [""; 0]);
    let without = whole[..3].iter().collect::<Vec<_>>();
    assert!(problems(&without, "c")[0].contains("its services are"));
    let gap = span("mcp-guardrails", "4", "9");
    let mut broken = whole[..3].iter().collect::<Vec<_>>();
    broken.push(&gap);
    assert!(problems(&broken, "c")[0].contains("has no parent here"));
    assert!(problems(&whole.iter().collect::<Vec<_>>(), "d").iter().any(|problem| problem.contains("its roots are")));
}
