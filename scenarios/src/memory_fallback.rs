//! While memory is down, workflows continue with the static context of the agent. Their outcomes wait in the outbox of
//! the orchestrator, survive a crash of the orchestrator, and are stored exactly once when memory is back.

use crate::lifecycle::{RECOVERY, completes, fallbacks, patient, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Actor, Scenario, Stage, StepFailed};
use mcp_contracts::{Service, metric};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "memory-fallback",
    "without memory workflows continue, and their outcomes are stored exactly once when it is back",
    patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120)
.requires(&["degraded-is-declared", "no-lost-writes"]);

/// Incidents during the outage.
const INCIDENTS: [&str; 3] = ["checkout", "search", "mail"];
/// Tag of the memories that the rca agent writes.
const TAG: &str = "rca";

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let part = |service| stage.instances(service)[0].clone();
    let (memory, orchestrator) = (part(Service::Memory), part(Service::Orchestrator));
    let mut ann = stage.user("ann", "acme");
    let _ = completes(&mut ann, "with memory a workflow uses no fallback").await.or_stop()?;
    let note = json!({ "content": ann.private_content("Checkout is slow when the ledger is locked") });
    let _ = ann.call("store_memory", note).await.expect_ok("a memory is stored").or_stop()?;
    let before = ann.call("run_workflow", workflow("rca", "answer", "billing")).await;
    let _ = before.expect_result("the outcome of an incident before the outage is stored at once", |reply| {
        reply["status"] == "completed" && step(reply, "remember")["outcome"] == "ok"
    });

    stage.kill(&memory).await?;
    for incident in INCIDENTS {
        run_without_memory(&mut ann, incident).await;
    }
    let depth = outbox_depth(stage, &orchestrator).await?;
    stage.expect("their outcomes wait in the outbox", depth == INCIDENTS.len(), depth, &[]);
    let reported = async || fallbacks(stage, &orchestrator).await.contains(&"memory".to_owned()).then_some(());
    stage.wait_until("the orchestrator reports the fallback for memory and stays ready", RECOVERY, reported).await;

    stage.kill(&orchestrator).await?;
    stage.start_again(&orchestrator).await?;
    let survived = async || (outbox_depth(stage, &orchestrator).await.ok()? == INCIDENTS.len()).then_some(());
    stage.wait_until("the outbox survives a crash of the orchestrator", RECOVERY, survived).await;

    stage.start_again(&memory).await?;
    expect_delivery(stage, &orchestrator).await?;
    expect_outcomes_once(&mut ann, INCIDENTS.len() + 1).await;
    recovers(stage, &mut ann, &orchestrator, "with memory back").await;
    for incident in INCIDENTS {
        let next = ann.call("run_workflow", workflow("rca", "answer", incident)).await;
        let _ =
            next.expect_result(&format!("the next incident of {incident} uses the outcome of the outage"), |reply| {
                let used = reply["memories"].as_array().into_iter().flatten();
                let mut excerpts = used.filter_map(|memory| memory["excerpt"].as_str());
                reply["status"] == "completed"
                    && excerpts.any(|text| text.contains("Incident:") && text.contains(incident))
            });
    }
    expect_outcomes_once(&mut ann, INCIDENTS.len() * 2 + 1).await;
    Ok(())
}

/// Runs a workflow for an incident while memory is down.
async fn run_without_memory(ann: &mut Actor<'_>, incident: &str) {
    let reply = ann.call("run_workflow", workflow("rca", "answer", incident)).await;
    let _ = reply.expect_result(&format!("the report on {incident} uses the static context of the agent"), |reply| {
        reply["status"] == "degraded"
            && reply["reasons"] == json!(["memory_unavailable"])
            && reply["memories"] == json!([])
            && reply["artefact"]["kind"] == "root_cause_report"
            && reply["pattern"]["verdictId"].is_string()
            && step(reply, "memory")["source"] == "static_context"
            && step(reply, "remember")["source"] == "outbox"
            && trail(reply)
                == "guardrails ok, memory fallback, select_pattern ok, inject_pattern ok, execute ok, log_usage ok, \
                    remember deferred"
    });
}

async fn outbox_depth(stage: &Stage<'_>, orchestrator: &str) -> Result<usize, StepFailed> {
    Ok(stage.metric(orchestrator, metric::OUTBOX_DEPTH, &[]).await?.round() as usize)
}

/// Expects that the outbox delivers everything and drops nothing.
async fn expect_delivery(stage: &Stage<'_>, orchestrator: &str) -> Result<(), StepFailed> {
    let empty = async || {
        let delivered =
            stage.metric(orchestrator, metric::OUTBOX_DELIVERED_TOTAL, &[("kind", "remember")]).await.ok()?;
        (delivered > 0.5 && outbox_depth(stage, orchestrator).await.ok()? == 0).then_some(())
    };
    stage.wait_until("the outbox is empty when memory is back", RECOVERY, empty).await;
    let delivered = stage.metric(orchestrator, metric::OUTBOX_DELIVERED_TOTAL, &[("kind", "remember")]).await?;
    let dropped = stage.metric(orchestrator, metric::OUTBOX_DROPPED_TOTAL, &[]).await?;
    let details = format!("{delivered} delivered, {dropped} dropped");
    let holds = (delivered - INCIDENTS.len() as f64).abs() < 0.5 && dropped < 0.5;
    stage.expect("every outcome was delivered and none was dropped", holds, details, &[]);
    Ok(())
}

/// Expects one memory for each incident. A duplicate would be counted, because each report differs from the others: it
/// names its execution.
async fn expect_outcomes_once(ann: &mut Actor<'_>, incidents: usize) {
    let reply = ann.call("memory_stats", json!({})).await;
    let _ = reply.expect_result("memory has the outcome of each incident exactly once", |reply| {
        let mut tags = reply["tags"].as_array().into_iter().flatten();
        reply["workspace"] == incidents && tags.any(|tag| tag["tag"] == TAG && tag["count"] == incidents)
    });
}
