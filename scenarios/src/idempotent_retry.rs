//! A write that is repeated with its idempotency key has one effect, even if the service crashes in between. The key of
//! one write is rejected for another write.

use futures::future::join_all;
use harness_core::drive::scenario::{Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::{ErrorCode, Service};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "idempotent-retry",
    "a write that is repeated with its key has one effect, also across a crash",
    Topology::memory,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.requires(&["no-lost-writes"]);

/// Number of clients that send the same write at the same time.
const CONCURRENT: usize = 8;

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    let keyed = json!({ "content": ann.private_content("Backups run at four"), "idempotencyKey": "backup-1" });
    let first = ann.call("store_memory", keyed.clone()).await.expect_ok("a keyed write is stored").or_stop()?;
    let again = ann.call("store_memory", keyed.clone()).await;
    let same =
        |reply: &Value| ["id", "created", "version", "createdAt"].iter().all(|name| reply[*name] == first[*name]);
    let _ = again.expect_result("repeated, it gets the same reply", same);

    let other = json!({ "content": ann.private_content("Backups run at five"), "idempotencyKey": "backup-1" });
    let refused = ann.call("store_memory", other).await;
    let _ = refused.expect_error("the key is rejected for another write", ErrorCode::IdempotencyConflict);

    let content = ann.private_content("The runbook is in the wiki");
    // One actor for each call, because the calls of one actor never overlap. To the service they are the same user.
    let mut anns: Vec<_> = (0..CONCURRENT).map(|_| stage.user("ann", "acme")).collect();
    let raced = join_all(
        anns.iter_mut()
            .map(|ann| ann.call("store_memory", json!({ "content": content, "idempotencyKey": "runbook-1" }))),
    )
    .await;
    let ids: BTreeSet<String> = raced.iter().map(|reply| reply.text("id")).collect();
    let replies: BTreeSet<String> = raced.iter().map(|reply| format!("{} {}", reply["id"], reply["created"])).collect();
    let ops: Vec<u64> = raced.iter().map(harness_core::drive::scenario::Reply::op).collect();
    let details = format!("{} ids, {} different replies", ids.len(), replies.len());
    stage.expect(
        "the same write from eight clients at once has one effect and one reply",
        ids.len() == 1 && replies.len() == 1,
        details,
        &ops,
    );

    let memory = &stage.instances(Service::Memory)[0];
    stage.kill(memory).await?;
    stage.start_again(memory).await?;
    let after = ann.call("store_memory", keyed).await;
    let _ = after.expect_result("after a crash the key still gets the same reply", same);
    let stats = ann.call("memory_stats", json!({})).await;
    let _ = stats.expect_result("no memory is stored twice", |reply| reply["private"] == 2);
    Ok(())
}
