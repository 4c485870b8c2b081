//! An operator skips the first step: the orchestrator signs with a key that its peers do not know.

use super::Changes;
use crate::lifecycle::{RECOVERY, fallbacks, step, workflow};
use futures::future::try_join_all;
use harness_core::drive::scenario::{Actor, Reply, ScenarioRequest, Stage, StepFailed};
use mcp_contracts::{Service, env, metric};
use serde_json::json;

/// Incidents whose outcomes wait in the outbox.
const INCIDENTS: [&str; 3] = ["checkout", "search", "mail"];

pub(super) async fn play(stage: &Stage<'_>, known: &str, wrong: &str) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "late");
    let memory = stage.instances(Service::Memory);
    for part in &memory {
        stage.kill(part).await?;
    }
    for incident in INCIDENTS {
        let reply = run(&mut ann, "rca", "answer", incident).await;
        let _ = reply.expect_result(&format!("the outcome of {incident} waits in the outbox"), |reply| {
            step(reply, "remember")["outcome"] == "deferred"
        });
    }
    let orchestrators = stage.instances(Service::Orchestrator);
    let mistaken = [(env::JWT_SECRET, Some(wrong)), (env::JWT_SECRET_PREVIOUS, Some(known))];
    restart(stage, &orchestrators, &mistaken).await?;
    for part in &memory {
        stage.start_again(part).await?;
    }
    expect_kept(stage, &mut ann, &orchestrators).await;

    // Memory, guardrails and patterns learn the key that the orchestrator signs with.
    for service in [Service::Memory, Service::Guardrails, Service::Patterns] {
        restart(stage, &stage.instances(service), &[(env::JWT_SECRET_NEXT, Some(wrong))]).await?;
    }
    expect_delivered_once(stage, &mut ann, &orchestrators).await
}

/// Stops the instances of a service and starts them with changed keys.
async fn restart(stage: &Stage<'_>, parts: &[String], changes: &Changes<'_>) -> Result<(), StepFailed> {
    try_join_all(parts.iter().map(async |part| {
        stage.reconfigure(part, changes)?;
        stage.end(part).await?;
        stage.start_again(part).await
    }))
    .await
    .map(drop)
}

async fn run<'s>(ann: &mut Actor<'s>, agent: &str, action: &str, subject: &str) -> Reply<'s> {
    ann.send(ScenarioRequest::tool("run_workflow", workflow(agent, action, subject)).at_ready_instance()).await
}

/// Expects that the orchestrator reports a peer that denies its key, drops no outcome, and blocks actions that guardrails did not check.
async fn expect_kept(stage: &Stage<'_>, ann: &mut Actor<'_>, orchestrators: &[String]) {
    let denied = async || {
        for part in orchestrators {
            let labels = [("peer", "memory"), ("tool", "import_memories"), ("outcome", "denied")];
            if stage.metric(part, metric::PEER_CALLS_TOTAL, &labels).await.is_ok_and(|calls| calls >= 1.0) {
                return Some(part);
            }
        }
        None
    };
    let part = stage.wait_until("memory denies a delivery that is signed with an unknown key", RECOVERY, denied).await;
    if let Some(part) = part {
        let reported = async || fallbacks(stage, part).await.contains(&"memory".to_owned()).then_some(());
        stage.wait_until("the orchestrator reports memory and stays ready", RECOVERY, reported).await;
    }
    let reply = run(ann, "general", "edit", "checkout").await;
    let _ = reply.expect_result("an action that guardrails did not check is blocked", |reply| {
        reply["status"] == "blocked" && reply["retryable"] == true && reply["artefact"].is_null()
    });
}

/// Expects that each outcome arrives exactly once. A duplicate would be counted, because each report names its own execution.
async fn expect_delivered_once(
    stage: &Stage<'_>,
    ann: &mut Actor<'_>,
    orchestrators: &[String],
) -> Result<(), StepFailed> {
    let arrived = async || {
        let reply = ann.call("memory_stats", json!({})).await;
        (reply["workspace"] == INCIDENTS.len()).then_some(())
    };
    stage.wait_until("every outcome that waited is in memory, once", RECOVERY, arrived).await;
    let mut dropped = 0.0;
    for part in orchestrators {
        dropped += stage.metric(part, metric::OUTBOX_DROPPED_TOTAL, &[]).await?;
    }
    stage.expect("no entry of the outbox was dropped", dropped < 0.5, format!("{dropped} dropped"), &[]);
    let complete = async || {
        let reply = run(ann, "general", "answer", "checkout").await;
        crate::lifecycle::is_complete(reply.value()).then_some(())
    };
    stage.wait_until("workflows use no fallback when the peers know the key", RECOVERY, complete).await;
    Ok(())
}
