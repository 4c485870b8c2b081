//! Every tool of the memory service over the wire, step by step: the results that it must return and the calls that it must reject.

use harness_core::drive::scenario::{Actor, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "memory-tools",
    "every memory tool works as documented and rejects invalid calls",
    Topology::memory,
    |stage| Box::pin(play(stage)),
)
.requires(&["no-lost-writes", "read-your-writes", "no-phantom-reads"]);

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    let id = write_and_find(&mut ann).await?;
    update(&mut ann, &id).await;
    move_elsewhere(&mut ann, &mut zoe).await?;
    let _ = ann
        .call("delete_memory", json!({ "id": id }))
        .await
        .expect_result("delete a memory", |reply| reply["deleted"] == true);
    let _ = ann
        .call("get_memory", json!({ "id": id }))
        .await
        .expect_error("a deleted memory cannot be read", ErrorCode::NotFound);
    refusals(&mut ann).await;
    Ok(())
}

async fn write_and_find(ann: &mut Actor<'_>) -> Result<Value, StepFailed> {
    let text = ann.private_content("Deploys of the billing service wait for the migration of the ledger");
    let note = json!({ "content": text, "tags": ["deploy"], "intent": "billing", "metadata": { "ticket": 7 } });
    let stored = ann.call("store_memory", note.clone()).await;
    let stored = stored.expect_result("store a private memory", |reply| reply["created"] == true).or_stop()?;
    let id = stored["id"].clone();
    let again = ann.call("store_memory", note).await;
    let _ = again.expect_result("store it again: the same memory is returned", |reply| {
        reply["id"] == id && reply["created"] == false
    });
    let read = ann.call("get_memory", json!({ "id": id })).await;
    let _ = read.expect_result("read it with its tags and metadata", |reply| {
        let has = |tag: &str| reply["tags"].as_array().is_some_and(|tags| tags.contains(&json!(tag)));
        reply["content"] == text && reply["metadata"]["ticket"] == 7 && has("topic:billing") && has("user:ann")
    });
    let search = ann.call("search_memory", json!({ "query": "ledger migration" })).await;
    let _ = search.expect_result("search for its words", |reply| reply["hits"][0]["id"] == id);
    let listed = ann.call("list_memories", json!({ "tags": ["deploy"] })).await;
    let _ =
        listed.expect_result("list by its tag", |reply| reply["memories"].as_array().is_some_and(|all| all.len() == 1));
    Ok(id)
}

async fn update(ann: &mut Actor<'_>, id: &Value) {
    let change =
        json!({ "id": id, "content": ann.private_content("Deploys of billing no longer wait"), "expectedVersion": 1 });
    let changed = ann.call("update_memory", change.clone()).await;
    let _ = changed.expect_result("update it", |reply| reply["version"] == 2);
    let stale = ann.call("update_memory", change).await;
    let _ = stale.expect_error("an update of an older version is rejected", ErrorCode::VersionConflict);
    let search = ann.call("search_memory", json!({ "query": "ledger" })).await;
    let _ = search.expect_result("search no longer returns it for its old words", |reply| {
        reply["hits"].as_array().is_some_and(Vec::is_empty)
    });
    let shared = json!({ "content": ann.shared_content("Standup is at ten"), "visibility": "workspace" });
    let _ = ann.call("store_memory", shared).await.expect_ok("share a memory with the workspace");
    let stats = ann.call("memory_stats", json!({})).await;
    let _ = stats.expect_result("count the memories", |reply| reply["private"] == 1 && reply["workspace"] == 1);
}

/// Exports the memories, imports copies into another organisation, and deletes them there by tag.
async fn move_elsewhere(ann: &mut Actor<'_>, zoe: &mut Actor<'_>) -> Result<(), StepFailed> {
    let exported = ann.call("export_memories", json!({})).await;
    let all = |reply: &Value| reply["memories"].as_array().is_some_and(|all| all.len() == 2);
    let _ = exported.expect_result("export all memories", all).or_stop()?;
    // Written anew and not taken from the export, because each content must have the canary of its new writer.
    let copies: Vec<Value> = ["Deploys no longer wait", "Standup is at ten"]
        .into_iter()
        .map(|text| json!({ "content": zoe.private_content(text), "tags": ["imported"] }))
        .collect();
    let imported = zoe.call("import_memories", json!({ "memories": copies })).await;
    let _ = imported.expect_result("import into another organisation", |reply| reply["created"] == 2);

    let tags = json!({ "tags": ["imported"] });
    let unconfirmed = zoe.call("delete_by_tag", tags).await;
    let _ = unconfirmed.expect_error("delete by tag without a dry run is rejected", ErrorCode::ConfirmationRequired);
    let counted = zoe.call("delete_by_tag", json!({ "tags": ["imported"], "dryRun": true })).await;
    let counted =
        counted.expect_result("a dry run counts the memories to delete", |reply| reply["count"] == 2).or_stop()?;
    let confirmed = json!({ "tags": ["imported"], "confirmationToken": counted["confirmationToken"] });
    let other_user = ann.call("delete_by_tag", confirmed.clone()).await;
    let _ =
        other_user.expect_error("a confirmation token of another user is rejected", ErrorCode::ConfirmationRequired);
    let deleted = zoe.call("delete_by_tag", confirmed).await;
    let _ = deleted.expect_result("delete the confirmed memories", |reply| reply["count"] == 2);
    Ok(())
}

async fn refusals(ann: &mut Actor<'_>) {
    let cases = [
        ("an empty content", "store_memory", json!({ "content": " " }), ErrorCode::InvalidArgument),
        ("a content of 70,000 bytes", "store_memory", json!({ "content": "x".repeat(70_000) }), ErrorCode::TooLarge),
        ("a forged tag", "store_memory", json!({ "content": "x", "tags": ["org:zeta"] }), ErrorCode::ReservedTag),
        ("an unknown argument", "store_memory", json!({ "content": "x", "colour": "red" }), ErrorCode::InvalidArgument),
        ("a limit of 0", "list_memories", json!({ "limit": 0 }), ErrorCode::InvalidArgument),
        ("a cursor of another user", "list_memories", json!({ "cursor": "AAAA" }), ErrorCode::BadCursor),
        ("a query without words", "search_memory", json!({ "query": "!?" }), ErrorCode::InvalidArgument),
    ];
    for (name, tool, arguments, code) in cases {
        let _ = ann.call(tool, arguments).await.expect_error(&format!("{name} is rejected"), code);
    }
}
