//! What scenarios of workflows share: a stack on which speed is not tried, a request that no rule stands against, and how the steps of an
//! execution are read. No scenario, and nothing about a single fallback.

use harness_core::drive::scenario::{Actor, Reply, Stage};
use harness_core::plan::topology::Topology;
use mcp_contracts::service::READYZ_PATH;
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a stack may take until everything is as it was.
pub(crate) const RECOVERY: Duration = Duration::from_secs(30);

/// All four services, patient with each other and without quotas that are felt: a slow machine must not turn an answer into a fallback.
pub(crate) fn patient() -> Topology {
    let full = Topology::full().under_load().everywhere(env::REDIS_DEADLINE_MS, 5_000);
    let full = full.setting(Service::Orchestrator, env::PEER_DEADLINE_MS, 3_000);
    full.setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, 9_000)
}

/// The arguments of a workflow that no rule stands against.
pub(crate) fn workflow(agent: &str, action: &str, subject: &str) -> Value {
    let text = format!(
        "10:02 UTC release 4.1 of {subject} went out\n10:05 UTC alert: errors of {subject} at 40 %\n\
         10:21 UTC rolled back to 4.0\n10:25 UTC errors at 0 %"
    );
    json!({ "agent": agent, "action": action, "intent": format!("investigate why {subject} was slow"), "text": text })
}

/// Every step with its outcome, such as `guardrails ok, memory fallback`.
pub(crate) fn trail(execution: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let steps = execution["steps"].as_array().into_iter().flatten();
    let told: Vec<String> = steps.map(|step| format!("{} {}", text(&step["step"]), text(&step["outcome"]))).collect();
    told.join(", ")
}

/// One step of an execution; null where it has none of that name.
pub(crate) fn step<'v>(execution: &'v Value, name: &str) -> &'v Value {
    let steps = execution["steps"].as_array().into_iter().flatten();
    steps.into_iter().find(|step| step["step"] == name).unwrap_or(&Value::Null)
}

/// Tells whether an execution missed nothing and has its pattern.
pub(crate) fn is_complete(execution: &Value) -> bool {
    execution["status"] == "completed"
        && execution["reasons"] == json!([])
        && execution["pattern"]["verdictId"].is_string()
        && step(execution, "remember")["source"] == "memory"
}

/// Expects that a workflow misses nothing.
pub(crate) async fn completes<'s>(actor: &mut Actor<'s>, expected: &str) -> Reply<'s> {
    actor.call("run_workflow", workflow("general", "answer", "checkout")).await.gives(expected, is_complete)
}

/// Expects that workflows soon miss nothing any more, and that the orchestrator soon says so of itself.
pub(crate) async fn recovers(stage: &Stage<'_>, actor: &mut Actor<'_>, orchestrator: &str, what: &str) {
    let again = async || {
        let reply = actor.call("run_workflow", workflow("general", "answer", "checkout")).await;
        is_complete(reply.value()).then_some(())
    };
    stage.until(&format!("{what}, workflows miss nothing any more"), RECOVERY, again).await;
    let well = async || fallbacks(stage, orchestrator).await.is_empty().then_some(());
    stage.until("and the orchestrator names nobody as missing", RECOVERY, well).await;
}

/// Whom a service names as missing in its readiness, while it says that it is ready.
pub(crate) async fn fallbacks(stage: &Stage<'_>, part: &str) -> Vec<String> {
    match stage.page(part, READYZ_PATH, None).await {
        (Some(200), said) => serde_json::from_value(said["fallbacks"].clone()).unwrap_or_default(),
        (status, said) => vec![format!("readiness answers {status:?} {said}")],
    }
}
