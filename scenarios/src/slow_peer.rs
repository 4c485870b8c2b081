//! A peer accepts connections but does not answer. The workflow step that needs the peer waits until the step's deadline. Without memory or patterns
//! the workflow then continues as if the peer were down; without an answer of guardrails it is blocked, whatever its risk, because what the caller
//! sent may have made the check slow. After a few timeouts the circuit breaker opens, later steps do not wait, and guardrails count as down. A
//! delivery that was sent several times takes effect once.

mod all_at_once;

use crate::lifecycle::{RECOVERY, completes, recovers, step, trail, workflow};
use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{Service, env, metric};
use serde_json::json;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "slow-peer",
    "a peer that does not answer costs one step deadline; a check without an answer blocks",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(240)
.requires(&["degraded-is-declared"]);

/// Deadline of one attempt of a step at its peer, in milliseconds.
const PEER_MS: u32 = 1_500;
/// Deadline of a workflow, in milliseconds.
const WORKFLOW_MS: u32 = 9_000;

/// The outcome of every step of a workflow whose check got no answer.
const UNCHECKED: &str = "guardrails fallback, memory skipped, select_pattern skipped, inject_pattern skipped, execute skipped, log_usage skipped, \
                         remember skipped";
/// For each peer, the expected result of a workflow while the peer does not answer: the step that waits, the reason,
/// and the outcome of every step.
const PEERS: [(Service, &str, &str, &str); 3] = [
    (Service::Guardrails, "guardrails", "guardrail_unavailable", UNCHECKED),
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
    // Redis has a long deadline, so that a slow machine causes no other fallback than that of the paused peer.
    let full = Topology::full().with_load_quotas().with_setting_everywhere(env::REDIS_DEADLINE_MS, 5_000);
    let full = full.with_setting(Service::Orchestrator, env::PEER_DEADLINE_MS, PEER_MS);
    full.with_setting(Service::Orchestrator, env::WORKFLOW_DEADLINE_MS, WORKFLOW_MS)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let orchestrator = stage.instances(Service::Orchestrator)[0].clone();
    let mut ann = stage.user("ann", "acme");
    let _ = completes(&mut ann, "while every peer answers, a workflow uses no fallback").await.or_stop()?;
    for (service, name, reason, steps) in PEERS {
        let part = &stage.instances(service)[0];
        stage.pause(part).await?;
        let reply = run(&mut ann, "answer").await;
        let status = if service == Service::Guardrails { "blocked" } else { "degraded" };
        let reply = reply.expect_result(&format!("while `{part}` does not answer, a workflow is {status}"), |reply| {
            reply["status"] == status && reply["reasons"] == json!([reason]) && trail(reply) == steps
        });
        expect_waited(reply, &format!("its step waited once, for the deadline of an attempt at `{part}`"), &[name]);
        if service == Service::Guardrails {
            let reply = run(&mut ann, "delete").await;
            let _ = reply.expect_result("a risky action is blocked meanwhile and is retryable", |reply| {
                reply["status"] == "blocked" && reply["reasons"] == json!([reason]) && reply["retryable"] == true
            });
        }
        if service == Service::Memory {
            defer_outcome(stage, &mut ann, &orchestrator).await;
        }
        stage.resume(part).await?;
        recovers(stage, &mut ann, &orchestrator, &format!("when `{part}` answers again")).await;
    }
    all_at_once::play(stage, &mut ann, &orchestrator).await?;
    expect_delivered_once(stage, &mut ann).await;
    Ok(())
}

async fn run<'s>(ann: &mut Actor<'s>, action: &str) -> Reply<'s> {
    ann.call("run_workflow", workflow("general", action, "checkout")).await
}

/// Expects that each of these steps made one attempt that lasted to its deadline, and that the workflow met the deadline of workflows.
fn expect_waited(reply: Reply<'_>, expected: &str, steps: &[&str]) {
    let reply = reply.expect_result(expected, |reply| {
        steps.iter().all(|name| {
            let step = step(reply, name);
            let took = step["durationMs"].as_f64().unwrap_or_default();
            step["detail"] == "slow" && step["attempts"] == 1 && took >= f64::from(PEER_MS)
        })
    });
    let _ = reply.expect_result_in_time("the workflow answers within its own deadline", |reply| {
        reply["durationMs"].as_f64().is_some_and(|took| took <= f64::from(WORKFLOW_MS))
    });
}

/// Runs a workflow while memory does not answer, and waits until the orchestrator has tried to deliver its outcome.
async fn defer_outcome(stage: &Stage<'_>, ann: &mut Actor<'_>, orchestrator: &str) {
    let reply = ann.call("run_workflow", workflow("rca", "answer", "search")).await;
    let _ = reply.expect_result("the outcome of an incident waits in the outbox", |reply| {
        step(reply, "remember")["outcome"] == "deferred" && step(reply, "remember")["source"] == "outbox"
    });
    let labels = [("peer", "memory"), ("tool", "import_memories"), ("outcome", "slow")];
    let attempted = async || {
        let attempts = stage.metric(orchestrator, metric::PEER_CALLS_TOTAL, &labels).await.ok()?;
        (attempts >= 1.0).then_some(())
    };
    stage.wait_until("the outbox tried to deliver to a memory service that does not answer", RECOVERY, attempted).await;
}

/// Expects that an outcome is stored once, however often it was sent. A duplicate would be counted, because each report names its execution.
async fn expect_delivered_once(stage: &Stage<'_>, ann: &mut Actor<'_>) {
    let count = async || {
        let reply = ann.call("memory_stats", json!({})).await;
        reply["workspace"].as_u64().filter(|count| *count > 0)
    };
    let reports = stage.wait_until("the outcome is delivered", RECOVERY, count).await;
    stage.expect(
        "the outcome is stored once, however often it was sent",
        reports == Some(1),
        format!("{reports:?} reports"),
        &[],
    );
}
