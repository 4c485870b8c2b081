//! Every peer is silent at the same time.

use super::{PEERS, run, waited};
use crate::lifecycle::{RECOVERY, recovers, step, trail};
use harness_core::drive::scenario::{Actor, Broken, Stage};
use serde_json::{Value, json};

/// Their deadlines pass at the same time, and after a few times nobody waits for them.
pub(super) async fn play(stage: &Stage<'_>, ann: &mut Actor<'_>, orchestrator: &str) -> Result<(), Broken> {
    let parts: Vec<String> = PEERS.iter().map(|(service, ..)| stage.instances(*service)[0].clone()).collect();
    for part in &parts {
        stage.pause(part).await?;
    }
    let reasons = json!(PEERS.map(|(_, _, reason, _)| reason));
    let alone = "guardrails fallback, memory fallback, select_pattern fallback, inject_pattern skipped, execute ok, \
                 log_usage skipped, remember deferred";
    let without = |reply: &Value| reply["status"] == "degraded" && reply["reasons"] == reasons && trail(reply) == alone;
    let reply = run(ann, "answer").await;
    let reply = reply.gives("without any of its peers a workflow still answers, and names all three", without);
    let names = PEERS.map(|(_, name, ..)| name);
    waited(reply, "its steps waited side by side", &names);
    let unasked = async || {
        let reply = run(ann, "answer").await;
        let at_once = names.iter().all(|name| {
            let step = step(reply.value(), name);
            step["detail"] == "circuit_open" && step["attempts"] == 0
        });
        (at_once && without(reply.value())).then_some(())
    };
    stage.until("after a few times nobody is asked who does not answer", RECOVERY, unasked).await;
    for part in &parts {
        stage.resume(part).await?;
    }
    recovers(stage, ann, orchestrator, "when all of them answer again").await;
    Ok(())
}
