//! No peer answers, all at the same time.

use super::{PEERS, UNCHECKED, expect_waited, run};
use crate::lifecycle::{recovers, step, trail};
use harness_core::drive::scenario::{Actor, Stage, StepFailed};
use serde_json::{Value, json};
use std::time::Duration;

/// Deadline for all circuit breakers to open. One client alone opens none: each instance becomes suspect after two timeouts and is probed three times
/// with 2 s each, and memory and patterns are called only when guardrails count as down. That takes about 25 s.
const ALL_OPEN: Duration = Duration::from_secs(90);

/// Expects that a workflow is blocked by the check alone, and that after a few timeouts no step waits and every fallback is used.
pub(super) async fn play(stage: &Stage<'_>, ann: &mut Actor<'_>, orchestrator: &str) -> Result<(), StepFailed> {
    let parts: Vec<String> = PEERS.iter().map(|(service, ..)| stage.instances(*service)[0].clone()).collect();
    for part in &parts {
        stage.pause(part).await?;
    }
    let reasons = json!(PEERS.map(|(_, _, reason, _)| reason));
    let alone = "guardrails fallback, memory fallback, select_pattern fallback, inject_pattern skipped, execute ok, \
                 log_usage skipped, remember deferred";
    let without = |reply: &Value| reply["status"] == "degraded" && reply["reasons"] == reasons && trail(reply) == alone;
    let reply = run(ann, "answer").await;
    let reply =
        reply.expect_result("without all three peers a workflow still answers, and is blocked by the check", |reply| {
            let unchecked = reply["reasons"] == json!(["guardrail_unavailable"]);
            reply["status"] == "blocked" && reply["retryable"] == true && unchecked && trail(reply) == UNCHECKED
        });
    let names = PEERS.map(|(_, name, ..)| name);
    expect_waited(reply, "its check waited once", &names[..1]);
    let skipped = async || {
        let reply = run(ann, "answer").await;
        let at_once = names.iter().all(|name| {
            let step = step(reply.value(), name);
            step["detail"] == "circuit_open" && step["attempts"] == 0
        });
        (at_once && without(reply.value())).then_some(())
    };
    stage
        .wait_until("after a few timeouts the circuit breakers are open and no peer is called", ALL_OPEN, skipped)
        .await;
    for part in &parts {
        stage.resume(part).await?;
    }
    recovers(stage, ann, orchestrator, "when all peers answer again").await;
    Ok(())
}
