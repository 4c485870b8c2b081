//! Memories: no access by id, by words, by tags, or with forged tags.

use harness_core::drive::scenario::{Actor, Stage, StepFailed};
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut ann = stage.user("ann", "acme");
    let (mut bob, mut zoe) = (stage.user("bob", "acme"), stage.user("zoe", "zeta"));
    let mut elsewhere = stage.user("ann", "acme").in_workspace("elsewhere");

    repeated_key(&mut ann, &mut zoe).await?;
    let private = store(&mut ann, "Deploys of billing wait for the ledger", false).await?;
    let shared = store(&mut ann, "Standup is at ten", true).await?;
    store(&mut zoe, "Deploys of zeta never wait", false).await?;

    for (who, actor) in
        [("a colleague", &mut bob), ("another organisation", &mut zoe), ("another workspace", &mut elsewhere)]
    {
        expect_hidden(stage, who, actor, &private).await;
    }
    for (who, actor) in [("another organisation", &mut zoe), ("another workspace", &mut elsewhere)] {
        expect_hidden(stage, who, actor, &shared).await;
    }
    let by_id = json!({ "id": shared });
    let read = bob.call("get_memory", by_id.clone()).await;
    let _ = read.expect_result("a colleague can read a shared memory", |reply| reply["id"] == shared);
    let _ = bob
        .call("delete_memory", by_id)
        .await
        .expect_error("a colleague cannot delete a shared memory", ErrorCode::InsufficientScope);

    let forged = json!({ "content": "mine", "tags": [format!("org:{}", ann.organisation())] });
    let _ = zoe.call("store_memory", forged).await.expect_error("a forged tag is rejected", ErrorCode::ReservedTag);
    let own = ann.call("get_memory", json!({ "id": private })).await;
    let _ = own.expect_result("the memory is unchanged for its owner", |reply| reply["version"] == 1);
    Ok(())
}

/// Stores a memory in each organisation with the same idempotency key, and expects that the key names a different
/// memory in each. These are the first memories of both organisations, so that the expected counts are certain.
async fn repeated_key(ann: &mut Actor<'_>, zoe: &mut Actor<'_>) -> Result<(), StepFailed> {
    let note = |content: String| json!({ "memories": [{ "content": content, "idempotencyKey": "note-1" }] });
    let (first, second) =
        (note(ann.private_content("Backups run at four")), note(zoe.private_content("Backups of zeta run at five")));
    let first = ann.call("import_memories", first).await.or_stop()?;
    let second = zoe.call("import_memories", second).await;
    let second = second.expect_result("an idempotency key of another organisation is free", |reply| {
        reply["created"] == 1 && reply["ids"][0].is_string() && reply["ids"][0] != first["ids"][0]
    });
    let stats = zoe.call("memory_stats", json!({})).await;
    let _ = stats.expect_result("the statistics of another organisation count only its own memories", |reply| {
        reply["private"] == 1 && reply["workspace"] == 0
    });
    let _ = second.or_stop()?;
    Ok(())
}

async fn store(actor: &mut Actor<'_>, text: &str, shared: bool) -> Result<Value, StepFailed> {
    let content = if shared { actor.shared_content(text) } else { actor.private_content(text) };
    let visibility = if shared { "workspace" } else { "private" };
    let note = json!({ "content": content, "tags": ["deploy"], "visibility": visibility });
    let stored = actor.call("store_memory", note).await.expect_ok("a memory is stored").or_stop()?;
    Ok(stored["id"].clone())
}

/// Expects that another user cannot reach a memory with any tool.
async fn expect_hidden(stage: &Stage<'_>, who: &str, actor: &mut Actor<'_>, id: &Value) {
    let by_id = json!({ "id": id });
    let change = json!({ "id": id, "content": "mine" });
    for (what, tool, arguments) in
        [("read", "get_memory", &by_id), ("change", "update_memory", &change), ("delete", "delete_memory", &by_id)]
    {
        let reply = actor.call(tool, arguments.clone()).await;
        let _ = reply.expect_error(&format!("{who} cannot {what} the memory by its id"), ErrorCode::NotFound);
    }
    let omits = |reply: &Value| {
        let memories = reply["hits"].as_array().or(reply["memories"].as_array());
        memories.is_some_and(|memories| memories.iter().all(|memory| memory["id"] != *id))
    };
    for (what, tool, arguments) in [
        ("search", "search_memory", json!({ "query": "deploys billing standup" })),
        ("list", "list_memories", json!({ "tags": ["deploy"] })),
        ("export", "export_memories", json!({})),
    ] {
        let reply = actor.call(tool, arguments).await;
        let _ = reply.expect_result(&format!("the {what} of {who} does not return the memory"), omits);
    }
    let counted = actor.call("delete_by_tag", json!({ "tags": ["deploy"], "dryRun": true })).await;
    let listed = actor.call("list_memories", json!({ "tags": ["deploy"] })).await;
    let own_count = listed["memories"].as_array().map_or(0, |all| {
        let owner = format!("user:{}", actor.grant().user);
        all.iter().filter(|memory| memory["tags"].as_array().is_some_and(|tags| tags.contains(&json!(owner)))).count()
    });
    let details = format!("{} counted, {own_count} of its own listed", counted["count"]);
    let expected = format!("delete by tag of {who} covers only its own memories");
    stage.expect(&expected, counted["count"] == own_count as u64, details, &[counted.op(), listed.op()]);
}
