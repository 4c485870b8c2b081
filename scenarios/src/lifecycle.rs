//! Shared by the scenarios of workflows: a stack with long deadlines, a request to which no rule applies, and access to
//! the steps of an execution. This file is not a scenario, and has no code for a single fallback.

use futures::future::try_join_all;
use harness_core::drive::scenario::{Actor, Reply, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::service::READYZ_PATH;
use mcp_contracts::{Service, env};
use serde_json::{Value, json};
use std::time::Duration;

/// Deadline for a stack to recover completely.
pub(crate) const RECOVERY: Duration = Duration::from_secs(30);

/// Returns all four services with long deadlines and high quotas, because a slow machine must not cause a fallback.
pub(crate) fn patient() -> Topology {
    let full = Topology::full().with_load_quotas().with_setting_everywhere(env::REDIS_DEADLINE_MS, 5_000);
    let full = full.with_setting(Service::Orchestrator, env::PEER_DEADLINE_MS, 3_000);
    full.with_setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, 9_000)
}

/// Restarts every service with changed settings.
pub(crate) async fn reconfigure_all(stage: &Stage<'_>, settings: &[(&'static str, String)]) -> Result<(), StepFailed> {
    let changes: Vec<(&str, Option<&str>)> = settings.iter().map(|(name, value)| (*name, Some(&**value))).collect();
    let parts: Vec<String> = Service::ALL.into_iter().flat_map(|service| stage.instances(service)).collect();
    for part in &parts {
        stage.reconfigure(part, &changes)?;
    }
    try_join_all(parts.iter().map(|part| stage.restart(part))).await.map(drop)
}

/// Returns the arguments of a workflow to which no rule applies.
pub(crate) fn workflow(agent: &str, action: &str, subject: &str) -> Value {
    let text = format!(
        "10:02 UTC release 4.1 of {subject} went out\n10:05 UTC alert: errors of {subject} at 40 %\n\
         10:21 UTC rolled back to 4.0\n10:25 UTC errors at 0 %"
    );
    json!({ "agent": agent, "action": action, "intent": format!("investigate why {subject} was slow"), "text": text })
}

/// Renders every step with its outcome, such as `guardrails ok, memory fallback`.
pub(crate) fn trail(execution: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let steps = execution["steps"].as_array().into_iter().flatten();
    let steps: Vec<String> = steps.map(|step| format!("{} {}", text(&step["step"]), text(&step["outcome"]))).collect();
    steps.join(", ")
}

/// Returns a step of an execution; null if it has no step with that name.
pub(crate) fn step<'v>(execution: &'v Value, name: &str) -> &'v Value {
    let steps = execution["steps"].as_array().into_iter().flatten();
    steps.into_iter().find(|step| step["step"] == name).unwrap_or(&Value::Null)
}

/// Returns true if an execution used no fallback and has its pattern.
pub(crate) fn is_complete(execution: &Value) -> bool {
    execution["status"] == "completed"
        && execution["reasons"] == json!([])
        && execution["pattern"]["verdictId"].is_string()
        && step(execution, "remember")["source"] == "memory"
}

/// Runs a workflow and expects that it uses no fallback.
pub(crate) async fn completes<'s>(actor: &mut Actor<'s>, expected: &str) -> Reply<'s> {
    actor.call("run_workflow", workflow("general", "answer", "checkout")).await.expect_result(expected, is_complete)
}

/// Expects that workflows soon use no fallback, and that the orchestrator soon reports none.
pub(crate) async fn recovers(stage: &Stage<'_>, actor: &mut Actor<'_>, orchestrator: &str, what: &str) {
    let complete = async || {
        let reply = actor.call("run_workflow", workflow("general", "answer", "checkout")).await;
        is_complete(reply.value()).then_some(())
    };
    stage.wait_until(&format!("{what}, workflows use no fallback"), RECOVERY, complete).await;
    let no_fallbacks = async || fallbacks(stage, orchestrator).await.is_empty().then_some(());
    stage.wait_until("the orchestrator reports no fallback", RECOVERY, no_fallbacks).await;
}

/// Returns the fallbacks that a service reports on its readiness page while it is ready.
pub(crate) async fn fallbacks(stage: &Stage<'_>, part: &str) -> Vec<String> {
    match stage.page(part, READYZ_PATH, None).await {
        (Some(200), page) => serde_json::from_value(page["fallbacks"].clone()).unwrap_or_default(),
        (status, page) => vec![format!("readiness returned {status:?} {page}")],
    }
}
