//! A service that is told to end says first that it is not ready, answers what still comes for a while, finishes what is running, and ends with
//! 0: no call that it took is cut, and what it acknowledged is there when it is back.

use crate::leaving::{NOTICE, Tally, leaves};
use crate::lifecycle::{RECOVERY, patient, workflow};
use futures::future::{join, join_all};
use harness_core::drive::scenario::{Actor, Ask, Broken, Scenario, Stage};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env, metric};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Instant;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "graceful-drain",
    "a service that is told to end finishes what it took, says first that it goes, and loses nothing",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(180)
.requires(&["no-lost-writes"]);

/// Users who call while a service goes.
const USERS: usize = 6;
/// Workflows that run when the orchestrator is told to end.
const RUNNING: usize = 4;
/// How long running calls may take at the end, in milliseconds; longer than a workflow whose peer says nothing.
const DRAIN_MS: u32 = 8_000;

fn topology() -> Topology {
    let told = patient().everywhere(env::DRAIN_NOTICE_MS, NOTICE.as_millis());
    told.everywhere(env::DRAIN_DEADLINE_MS, DRAIN_MS)
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    for service in [Service::Memory, Service::Guardrails, Service::Patterns] {
        under_traffic(stage, service).await?;
    }
    with_long_calls(stage).await
}

/// Calls keep coming to a service that goes: as long as it says that it is ready, and while it takes calls after that.
async fn under_traffic(stage: &Stage<'_>, service: Service) -> Result<(), Broken> {
    let part = stage.instances(service)[0].clone();
    let mut users: Vec<_> = (0..USERS).map(|number| stage.user(&format!("user-{number}"), "acme")).collect();
    let (ready, late, told) = (Tally::default(), Tally::default(), Cell::new(None::<Instant>));
    let call = async |user: &mut Actor<'_>| {
        let was_ready = stage.is_ready(&part).await;
        let in_notice = |told: Instant| told.elapsed() < NOTICE / 2;
        if !was_ready && !told.get().is_some_and(in_notice) {
            return;
        }
        let ask = ask(user, service).at(&part);
        let reply = user.send(ask).await;
        // What is answered within the notice was not late, however busy the machine is.
        let in_time = told.get().is_none_or(|told| told.elapsed() < NOTICE);
        match (was_ready, in_time) {
            (true, _) => ready.count(&reply, reply.is_ok()),
            (false, true) => late.count(&reply, reply.is_ok()),
            (false, false) => late.count(&reply, reply.is_ok() || reply.status() == Some(503)),
        }
    };
    let going = async {
        let before = async || (ready.made() >= USERS as u64).then_some(());
        stage.until(&format!("`{part}` is in use"), RECOVERY, before).await;
        told.set(Some(Instant::now()));
        leaves(stage, &part).await
    };
    stage.meanwhile(&mut users, call, going).await?;
    ready.expect(stage, &format!("`{part}` answers every call that came while it said that it was ready"), 1);
    late.expect(stage, &format!("and what came to `{part}` shortly after that"), 1);
    stage.start_again(&part).await
}

fn ask(user: &mut Actor<'_>, service: Service) -> Ask {
    match service {
        Service::Memory => Ask::tool("store_memory", json!({ "content": user.private("Written while memory goes") })),
        Service::Guardrails => {
            Ask::tool("check_guardrails", json!({ "action": "answer", "intent": "explain the ledger" }))
        }
        Service::Patterns => Ask::tool("select_pattern", json!({ "intent": "review a migration" })),
        Service::Orchestrator => Ask::tool("run_workflow", workflow("general", "answer", "checkout")),
    }
}

/// Workflows that wait for silent guardrails are running when the orchestrator is told to end, and still when it takes no calls any more.
async fn with_long_calls(stage: &Stage<'_>) -> Result<(), Broken> {
    let (guardrails, orchestrator) =
        (stage.instances(Service::Guardrails)[0].clone(), stage.instances(Service::Orchestrator)[0].clone());
    let mut users: Vec<_> = (0..RUNNING).map(|number| stage.user(&format!("user-{number}"), "zeta")).collect();
    stage.pause(&guardrails).await?;
    let calls = users.iter_mut().map(|user| user.send(ask_orchestrator()));
    let going = async {
        let running = async || {
            let running = stage.metric(&orchestrator, metric::REQUESTS_IN_FLIGHT, &[]).await.ok()?;
            (running > RUNNING as f64 - 0.5).then_some(())
        };
        stage.until("all workflows are running when the orchestrator is told to end", RECOVERY, running).await;
        leaves(stage, &orchestrator).await
    };
    let (replies, gone) = join(join_all(calls), going).await;
    gone?;
    stage.resume(&guardrails).await?;
    stage.start_again(&orchestrator).await?;
    for (user, reply) in users.iter_mut().zip(replies) {
        let reply = reply.gives("a workflow that was running is answered as if nobody went", |reply| {
            reply["status"] == "degraded" && reply["reasons"] == json!(["guardrail_unavailable"])
        });
        let same = |kept: &Value| kept["executionId"] == reply["executionId"] && kept["status"] == reply["status"];
        let kept = user.call("get_execution", json!({ "executionId": reply["executionId"] })).await;
        let _ = kept.gives("and is written down", same);
    }
    Ok(())
}

fn ask_orchestrator() -> Ask {
    Ask::tool("run_workflow", workflow("general", "answer", "checkout"))
}
