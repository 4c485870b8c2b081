//! A request that the guardrails block injects no pattern. A tap between orchestrator and patterns shows that the
//! workflow requests no injection. The patterns service rejects a direct injection without a valid verdict for that
//! request.

use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{ErrorCode, Service, env};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "guardrail-block",
    "a blocked request injects no pattern, through a workflow or directly",
    topology,
    |stage| Box::pin(play(stage)),
)
.requires(&["no-injection-without-verdict", "degraded-is-declared"]);

const ORCHESTRATOR: &str = "orchestrator";

/// Returns a stack with long deadlines, because a slow machine must not cause a fallback.
fn topology() -> Topology {
    let patient = Topology::full().with_setting(Service::Orchestrator, env::PEER_DEADLINE_MS, 3_000);
    let patient = patient.with_setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, 9_000);
    let tapped = patient.with_tap(Service::Orchestrator, Service::Guardrails);
    tapped.with_tap(Service::Orchestrator, Service::Patterns)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    workflows(stage, &mut ann).await?;
    direct(&mut ann).await
}

/// Returns a request that a critical rule blocks, and a request to which no rule applies.
fn requests() -> (Value, Value) {
    let blocked =
        json!({ "action": "database", "intent": "clean up the old customers", "text": "DROP TABLE customers;" });
    let allowed = json!({ "action": "answer", "intent": "investigate why checkout was slow after a deploy", "text": "p99 rose to 4.1 s" });
    (blocked, allowed)
}

/// Sends both requests through the orchestrator. The tap between the orchestrator and patterns records every injection.
async fn workflows(stage: &Stage<'_>, ann: &mut Actor<'_>) -> Result<(), StepFailed> {
    let (mut blocked, mut allowed) = requests();
    (blocked["agent"], allowed["agent"]) = (json!("general"), json!("general"));
    let stopped = ann.call("run_workflow", blocked).await;
    let stopped = stopped.expect_result("a workflow that a critical rule applies to ends blocked", |reply| {
        reply["status"] == "blocked" && reply["verdict"] == "block" && reply["pattern"].is_null()
    });
    // Read for its effect: the verdicts on this edge become operations, which `no-injection-without-verdict` needs.
    stage.tapped_calls(ORCHESTRATOR, "guardrails")?;
    let injected =
        stage.tapped_calls(ORCHESTRATOR, "patterns")?.into_iter().filter(|call| call.tool == "inject_pattern").count();
    let details = format!("{injected} injections requested");
    stage.expect("the tap sees no injection for it", injected == 0, details, &[stopped.op()]);

    let done = ann.call("run_workflow", allowed).await;
    let done = done.expect_result("a workflow that no rule applies to injects a pattern", |reply| {
        reply["status"] == "completed" && reply["pattern"]["verdictId"].is_string()
    });
    stage.tapped_calls(ORCHESTRATOR, "guardrails")?;
    let calls = stage.tapped_calls(ORCHESTRATOR, "patterns")?;
    let accepted: Vec<_> = calls.iter().filter(|call| call.tool == "inject_pattern" && call.accepted()).collect();
    let ops: Vec<u64> = accepted.iter().filter_map(|call| call.op).chain([done.op()]).collect();
    let details = format!("{} accepted", accepted.len());
    stage.expect("the tap sees that one injection", accepted.len() == 1, details, &ops);
    Ok(())
}

/// Requests injections directly at patterns: without a verdict, with a forged verdict, and with the verdict of another
/// request.
async fn direct(ann: &mut Actor<'_>) -> Result<(), StepFailed> {
    let (blocked, allowed) = requests();
    let refused = ann.call("check_guardrails", blocked.clone()).await;
    let _ = refused.expect_result("the guardrails block the request and name the rule", |reply| {
        reply["verdict"] == "block" && reply["rules"][0]["severity"] == "critical" && reply["verdictToken"].is_null()
    });
    let selected = ann.call("select_pattern", json!({ "intent": "review a database migration" })).await.or_stop()?;
    let pattern = selected["patterns"][0].clone();
    let verdict = ann.call("check_guardrails", allowed).await.expect_ok("another request is allowed").or_stop()?;
    let token = verdict.text("verdictToken");
    let forged = format!("{}x.{}", &token[..token.len() / 2], &token[token.len() / 2..]);
    for (with, token, code) in [
        ("without a verdict", json!(null), ErrorCode::VerdictRequired),
        ("with a forged verdict", json!(forged), ErrorCode::VerdictInvalid),
        ("with the verdict of another request", json!(token), ErrorCode::VerdictInvalid),
    ] {
        let reply = inject(ann, &pattern, &blocked, &verdict, token).await;
        let _ = reply.expect_error(&format!("{with} no pattern is injected"), code);
    }
    Ok(())
}

async fn inject<'s>(
    ann: &mut Actor<'s>,
    pattern: &Value,
    request: &Value,
    verdict: &Reply<'_>,
    token: Value,
) -> Reply<'s> {
    let names = pattern["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // Only what was judged is injected.
    let variables: serde_json::Map<String, Value> =
        names.map(|name| (name.to_owned(), request["text"].clone())).collect();
    let inject = json!({
        "patternId": pattern["id"], "request": request, "executionId": verdict["executionId"],
        "verdictToken": token, "variables": variables,
    });
    ann.call("inject_pattern", inject).await
}
