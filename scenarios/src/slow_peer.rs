//! A peer that is there and says nothing: a step waits for its deadline and then goes on as if the peer were down, and the whole workflow answers
//! within its own. After a few times nobody waits any more. What a silent peer may have heard twice it does once.

mod all_at_once;

use crate::lifecycle::{RECOVERY, completes, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Actor, Broken, Reply, Scenario, Stage};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env, metric};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "slow-peer",
    "a peer that says nothing costs its step's deadline and no more, and is then as good as down",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(180)
.requires(&["degraded-is-declared"]);

/// How long a step waits for its peer, in milliseconds.
const PEER_MS: u32 = 1_500;
/// How long a workflow may take, in milliseconds.
const WORKFLOW_MS: u32 = 9_000;

/// A peer and what a workflow looks like that goes without it: the step that waits, the reason, every step.
const PEERS: [(Service, &str, &str, &str); 3] = [
    (
        Service::Guardrails,
        "guardrails",
        "guardrail_unavailable",
        "guardrails fallback, memory ok, select_pattern ok, inject_pattern skipped, execute ok, log_usage skipped, remember ok",
    ),
    (
        Service::Memory,
        "memory",
        "memory_unavailable",
        "guardrails ok, memory fallback, select_pattern ok, inject_pattern ok, execute ok, log_usage ok, remember deferred",
    ),
    (
        Service::Patterns,
        "select_pattern",
        "patterns_unavailable",
        "guardrails ok, memory ok, select_pattern fallback, inject_pattern skipped, execute ok, log_usage skipped, remember ok",
    ),
];

fn topology() -> Topology {
    let full = Topology::full().under_load().everywhere(env::REDIS_DEADLINE_MS, 5_000);
    let full = full.setting(Service::Orchestrator, env::PEER_DEADLINE_MS, PEER_MS);
    full.setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, WORKFLOW_MS)
}

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let orchestrator = stage.instances(Service::Orchestrator)[0].clone();
    let mut ann = stage.user("ann", "acme");
    let _ = completes(&mut ann, "while every peer answers a workflow misses nothing").await.or_stop()?;
    for (service, name, reason, steps) in PEERS {
        let part = &stage.instances(service)[0];
        stage.pause(part).await?;
        let reply = run(&mut ann, "answer").await;
        let reply = reply
            .gives(&format!("while `{part}` says nothing a workflow goes on as if it were down"), |reply| {
                reply["status"] == "degraded" && reply["reasons"] == json!([reason]) && trail(reply) == steps
            });
        waited(reply, &format!("its step waited for the deadline of an attempt at `{part}`, once"), &[name]);
        if service == Service::Guardrails {
            let reply = run(&mut ann, "delete").await;
            let _ = reply.gives("what is risky is blocked meanwhile and may be tried again", |reply| {
                reply["status"] == "blocked" && reply["reasons"] == json!([reason]) && reply["retryable"] == true
            });
        }
        if service == Service::Memory {
            learn(stage, &mut ann, &orchestrator).await;
        }
        stage.resume(part).await?;
        recovers(stage, &mut ann, &orchestrator, &format!("when `{part}` answers again")).await;
    }
    all_at_once::play(stage, &mut ann, &orchestrator).await?;
    once(stage, &mut ann).await;
    Ok(())
}

async fn run<'s>(ann: &mut Actor<'s>, action: &str) -> Reply<'s> {
    ann.call("run_workflow", workflow("general", action, "checkout")).await
}

/// Expects that these steps each made one attempt, for its whole deadline, and that the workflow held its own.
fn waited(reply: Reply<'_>, expected: &str, steps: &[&str]) {
    let reply = reply.gives(expected, |reply| {
        steps.iter().all(|name| {
            let step = step(reply, name);
            let took = step["durationMs"].as_f64().unwrap_or_default();
            step["detail"] == "slow" && step["attempts"] == 1 && took >= f64::from(PEER_MS)
        })
    });
    let _ = reply.gives("and the workflow answers within its own deadline", |reply| {
        reply["durationMs"].as_f64().is_some_and(|took| took <= f64::from(WORKFLOW_MS))
    });
}

/// An incident while memory is silent, whose outcome the orchestrator tries to deliver meanwhile.
async fn learn(stage: &Stage<'_>, ann: &mut Actor<'_>, orchestrator: &str) {
    let reply = ann.call("run_workflow", workflow("rca", "answer", "search")).await;
    let _ = reply.gives("what an incident taught is kept for later", |reply| {
        step(reply, "remember")["outcome"] == "deferred" && step(reply, "remember")["source"] == "outbox"
    });
    let labels = [("peer", "memory"), ("tool", "import_memories"), ("outcome", "slow")];
    let tried = async || {
        let tries = stage.metric(orchestrator, metric::PEER_CALLS_TOTAL, &labels).await.ok()?;
        (tries >= 1.0).then_some(())
    };
    stage.until("the outbox tried to deliver to a memory that heard and said nothing", RECOVERY, tried).await;
}

/// What was delivered to a silent memory is there once, however often it was sent: a report names its execution, so that no two are the same.
async fn once(stage: &Stage<'_>, ann: &mut Actor<'_>) {
    let count = async || {
        let reply = ann.call("memory_stats", json!({})).await;
        reply["workspace"].as_u64().filter(|reports| *reports > 0)
    };
    let found = stage.until("what waited for memory is delivered", RECOVERY, count).await;
    stage.expect("and is there once, however often it was sent", found == Some(1), format!("{found:?} reports"), &[]);
}
