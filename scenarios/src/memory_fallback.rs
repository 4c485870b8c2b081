//! Without memory workflows go on with what the agent itself knows; what is to be remembered waits in the orchestrator's outbox, outlives a crash
//! of it, and is in memory once when memory is back.

use crate::lifecycle::{RECOVERY, completes, fallbacks, patient, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Actor, Broken, Scenario, Stage};
use mcp_contracts::{Service, metric};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "memory-fallback",
    "without memory workflows go on, and what they learn is in memory once when it is back",
    patient,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120)
.requires(&["degraded-is-declared", "no-lost-writes"]);

/// Incidents of the outage.
const INCIDENTS: [&str; 3] = ["checkout", "search", "mail"];
/// Tag under which the agent for root causes remembers.
const TAG: &str = "rca";

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let part = |service| stage.instances(service)[0].clone();
    let (memory, orchestrator) = (part(Service::Memory), part(Service::Orchestrator));
    let mut ann = stage.user("ann", "acme");
    let _ = completes(&mut ann, "with memory a workflow misses nothing").await.or_stop()?;
    let note = json!({ "content": ann.private("Checkout is slow when the ledger is locked") });
    let _ = ann.call("store_memory", note).await.ok("a memory is stored").or_stop()?;
    let before = ann.call("run_workflow", workflow("rca", "answer", "billing")).await;
    let _ = before.gives("an incident from before the outage is remembered at once", |reply| {
        reply["status"] == "completed" && step(reply, "remember")["outcome"] == "ok"
    });

    stage.kill(&memory).await?;
    for incident in INCIDENTS {
        without(&mut ann, incident).await;
    }
    let waiting = waiting(stage, &orchestrator).await?;
    stage.expect("what they learnt waits in the outbox", waiting == INCIDENTS.len(), waiting, &[]);
    let named = async || fallbacks(stage, &orchestrator).await.contains(&"memory".to_owned()).then_some(());
    stage.until("the orchestrator says that it goes without memory, and stays ready", RECOVERY, named).await;

    stage.kill(&orchestrator).await?;
    stage.start_again(&orchestrator).await?;
    let kept = async || (self::waiting(stage, &orchestrator).await.ok()? == INCIDENTS.len()).then_some(());
    stage.until("after a crash of the orchestrator all of it still waits", RECOVERY, kept).await;

    stage.start_again(&memory).await?;
    delivered(stage, &orchestrator).await?;
    once(&mut ann, INCIDENTS.len() + 1).await;
    recovers(stage, &mut ann, &orchestrator, "with memory back").await;
    for incident in INCIDENTS {
        let next = ann.call("run_workflow", workflow("rca", "answer", incident)).await;
        let _ = next.gives(&format!("the next incident of {incident} finds what was learnt meanwhile"), |reply| {
            let used = reply["memories"].as_array().into_iter().flatten();
            let mut excerpts = used.filter_map(|memory| memory["excerpt"].as_str());
            reply["status"] == "completed" && excerpts.any(|text| text.contains("Incident:") && text.contains(incident))
        });
    }
    once(&mut ann, INCIDENTS.len() * 2 + 1).await;
    Ok(())
}

/// One incident while memory is down.
async fn without(ann: &mut Actor<'_>, incident: &str) {
    let reply = ann.call("run_workflow", workflow("rca", "answer", incident)).await;
    let _ = reply.gives(&format!("the report on {incident} is made from what the agent itself knows"), |reply| {
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

async fn waiting(stage: &Stage<'_>, orchestrator: &str) -> Result<usize, Broken> {
    Ok(stage.metric(orchestrator, metric::OUTBOX_DEPTH, &[]).await?.round() as usize)
}

/// The outbox empties itself, and nothing of it is given up.
async fn delivered(stage: &Stage<'_>, orchestrator: &str) -> Result<(), Broken> {
    let empty = async || {
        let delivered =
            stage.metric(orchestrator, metric::OUTBOX_DELIVERED_TOTAL, &[("kind", "remember")]).await.ok()?;
        (delivered > 0.5 && waiting(stage, orchestrator).await.ok()? == 0).then_some(())
    };
    stage.until("when memory is back the outbox empties itself", RECOVERY, empty).await;
    let delivered = stage.metric(orchestrator, metric::OUTBOX_DELIVERED_TOTAL, &[("kind", "remember")]).await?;
    let dropped = stage.metric(orchestrator, metric::OUTBOX_DROPPED_TOTAL, &[]).await?;
    let seen = format!("{delivered} delivered, {dropped} given up");
    let held = (delivered - INCIDENTS.len() as f64).abs() < 0.5 && dropped < 0.5;
    stage.expect("all of it was delivered and nothing was given up", held, seen, &[]);
    Ok(())
}

/// Memory has as much as so many incidents taught, and nothing of it twice: every report names its execution, so that no two are the same.
async fn once(ann: &mut Actor<'_>, incidents: usize) {
    let reply = ann.call("memory_stats", json!({})).await;
    let _ = reply.gives("memory has what each incident taught, once", |reply| {
        let mut tags = reply["tags"].as_array().into_iter().flatten();
        reply["workspace"] == incidents && tags.any(|tag| tag["tag"] == TAG && tag["count"] == incidents)
    });
}
