//! After SIGTERM, a service reports *not ready* but still answers calls until its notice period is over. Then it
//! finishes the running calls and exits with code 0. No accepted call is cut, and every acknowledged write can be read
//! after the next start.

use crate::lifecycle::{RECOVERY, patient, workflow};
use crate::shutdown::{NOTICE, Tally, terminate};
use futures::future::{join, join_all};
use harness_core::drive::scenario::{Actor, Scenario, ScenarioRequest, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env, metric};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Instant;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "graceful-drain",
    "a service that gets SIGTERM reports not ready, finishes its calls and loses nothing",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(180)
.requires(&["no-lost-writes"]);

/// Number of users who call a service while it shuts down.
const USERS: usize = 6;
/// Number of workflows that are running when the orchestrator gets SIGTERM.
const RUNNING: usize = 4;
/// Deadline for running calls during the shutdown, in milliseconds. It is longer than a workflow takes whose peer does
/// not answer.
const DRAIN_MS: u32 = 8_000;

fn topology() -> Topology {
    let topology = patient().with_setting_everywhere(env::DRAIN_NOTICE_MS, NOTICE.as_millis());
    topology.with_setting_everywhere(env::DRAIN_DEADLINE_MS, DRAIN_MS)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    for service in [Service::Memory, Service::Guardrails, Service::Patterns] {
        under_traffic(stage, service).await?;
    }
    with_long_calls(stage).await
}

/// Expects that a service answers every call while it reports *ready*, and during the notice period after SIGTERM.
async fn under_traffic(stage: &Stage<'_>, service: Service) -> Result<(), StepFailed> {
    let part = stage.instances(service)[0].clone();
    let mut users: Vec<_> = (0..USERS).map(|number| stage.user(&format!("user-{number}"), "acme")).collect();
    let (ready, late, signalled) = (Tally::default(), Tally::default(), Cell::new(None::<Instant>));
    let call = async |user: &mut Actor<'_>| {
        let was_ready = stage.is_ready(&part).await;
        // No call starts in the second half of the notice period, so that a call has time to end within the period.
        let in_notice = |signalled: Instant| signalled.elapsed() < NOTICE / 2;
        if !was_ready && !signalled.get().is_some_and(in_notice) {
            return;
        }
        let call = next_call(user, service).at(&part);
        let reply = user.send(call).await;
        // A reply within the notice period must succeed, however busy the machine is. After it, 503 is allowed.
        let in_time = signalled.get().is_none_or(|signalled| signalled.elapsed() < NOTICE);
        match (was_ready, in_time) {
            (true, _) => ready.count(&reply, reply.is_ok()),
            (false, true) => late.count(&reply, reply.is_ok()),
            (false, false) => late.count(&reply, reply.is_ok() || reply.status() == Some(503)),
        }
    };
    let shutdown = async {
        let in_use = async || (ready.calls() >= USERS as u64).then_some(());
        stage.wait_until(&format!("`{part}` is in use"), RECOVERY, in_use).await;
        signalled.set(Some(Instant::now()));
        terminate(stage, &part).await
    };
    stage.with_background_calls(&mut users, call, shutdown).await?;
    ready.expect(stage, &format!("`{part}` answers every call while it reports ready"), 1);
    late.expect(stage, &format!("`{part}` answers every call during its notice period"), 1);
    stage.start_again(&part).await
}

fn next_call(user: &mut Actor<'_>, service: Service) -> ScenarioRequest {
    match service {
        Service::Memory => ScenarioRequest::tool(
            "store_memory",
            json!({ "content": user.private_content("Written while memory shuts down") }),
        ),
        Service::Guardrails => {
            ScenarioRequest::tool("check_guardrails", json!({ "action": "answer", "intent": "explain the ledger" }))
        }
        Service::Patterns => ScenarioRequest::tool("select_pattern", json!({ "intent": "review a migration" })),
        Service::Orchestrator => ScenarioRequest::tool("run_workflow", workflow("general", "answer", "checkout")),
    }
}

/// Expects that the orchestrator finishes its running workflows after SIGTERM. The guardrails are paused, so that the
/// workflows wait for them and run beyond the end of the notice period.
async fn with_long_calls(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (guardrails, orchestrator) =
        (stage.instances(Service::Guardrails)[0].clone(), stage.instances(Service::Orchestrator)[0].clone());
    let mut users: Vec<_> = (0..RUNNING).map(|number| stage.user(&format!("user-{number}"), "zeta")).collect();
    stage.pause(&guardrails).await?;
    let calls = users.iter_mut().map(|user| user.send(run_workflow()));
    let shutdown = async {
        let running = async || {
            let running = stage.metric(&orchestrator, metric::REQUESTS_IN_FLIGHT, &[]).await.ok()?;
            (running > RUNNING as f64 - 0.5).then_some(())
        };
        stage.wait_until("all workflows are running when the orchestrator gets SIGTERM", RECOVERY, running).await;
        terminate(stage, &orchestrator).await
    };
    let (replies, ended) = join(join_all(calls), shutdown).await;
    ended?;
    stage.resume(&guardrails).await?;
    stage.start_again(&orchestrator).await?;
    for (user, reply) in users.iter_mut().zip(replies) {
        let reply = reply.expect_result("a running workflow is answered as usual", |reply| {
            // The check got no answer in time, which blocks and may pass later.
            let unchecked = reply["reasons"] == json!(["guardrail_unavailable"]);
            reply["status"] == "blocked" && reply["retryable"] == true && unchecked
        });
        let same =
            |stored: &Value| stored["executionId"] == reply["executionId"] && stored["status"] == reply["status"];
        let stored = user.call("get_execution", json!({ "executionId": reply["executionId"] })).await;
        let _ = stored.expect_result("its execution is stored", same);
    }
    Ok(())
}

fn run_workflow() -> ScenarioRequest {
    ScenarioRequest::tool("run_workflow", workflow("general", "answer", "checkout"))
}
