//! Memory: not by id, not by words, not by tags, and not with forged tags.

use harness_core::drive::scenario::{Actor, Broken, Stage};
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(super) async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let mut ann = stage.user("ann", "acme");
    let (mut bob, mut zoe) = (stage.user("bob", "acme"), stage.user("zoe", "zeta"));
    let mut elsewhere = stage.user("ann", "acme").in_workspace("elsewhere");

    let private = store(&mut ann, "Deploys of billing wait for the ledger", false).await?;
    let shared = store(&mut ann, "Standup is at ten", true).await?;
    store(&mut zoe, "Deploys of zeta wait for nobody", false).await?;

    for (who, actor) in
        [("a colleague", &mut bob), ("another organisation", &mut zoe), ("another workspace", &mut elsewhere)]
    {
        hidden(stage, who, actor, &private).await;
    }
    for (who, actor) in [("another organisation", &mut zoe), ("another workspace", &mut elsewhere)] {
        hidden(stage, who, actor, &shared).await;
    }
    let by_id = json!({ "id": shared });
    let read = bob.call("get_memory", by_id.clone()).await;
    let _ = read.gives("a colleague reads what is shared", |reply| reply["id"] == shared);
    let _ = bob.call("delete_memory", by_id).await.refuses("but may not delete it", ErrorCode::InsufficientScope);

    let forged = json!({ "content": "mine", "tags": [format!("org:{}", ann.organisation())] });
    let _ = zoe.call("store_memory", forged).await.refuses("a forged tag is refused", ErrorCode::ReservedTag);
    let own = ann.call("get_memory", json!({ "id": private })).await;
    let _ = own.gives("after all of that its writer still has it, unchanged", |reply| reply["version"] == 1);
    Ok(())
}

async fn store(actor: &mut Actor<'_>, text: &str, shared: bool) -> Result<Value, Broken> {
    let content = if shared { actor.shared(text) } else { actor.private(text) };
    let visibility = if shared { "workspace" } else { "private" };
    let note = json!({ "content": content, "tags": ["deploy"], "visibility": visibility });
    let stored = actor.call("store_memory", note).await.ok("a memory is stored").or_stop()?;
    Ok(stored["id"].clone())
}

/// Whatever somebody tries, a memory of somebody else is not there.
async fn hidden(stage: &Stage<'_>, who: &str, actor: &mut Actor<'_>, id: &Value) {
    let by_id = json!({ "id": id });
    let change = json!({ "id": id, "content": "mine" });
    for (what, tool, arguments) in
        [("read", "get_memory", &by_id), ("change", "update_memory", &change), ("delete", "delete_memory", &by_id)]
    {
        let reply = actor.call(tool, arguments.clone()).await;
        let _ = reply.refuses(&format!("{who} cannot {what} it by its id"), ErrorCode::NotFound);
    }
    let lists = |reply: &Value| {
        let found = reply["hits"].as_array().or(reply["memories"].as_array());
        found.is_some_and(|found| found.iter().all(|memory| memory["id"] != *id))
    };
    for (what, tool, arguments) in [
        ("search", "search_memory", json!({ "query": "deploys billing standup" })),
        ("list", "list_memories", json!({ "tags": ["deploy"] })),
        ("export", "export_memories", json!({})),
    ] {
        let reply = actor.call(tool, arguments).await;
        let _ = reply.gives(&format!("{who} does not see it in a {what}"), lists);
    }
    let counted = actor.call("delete_by_tag", json!({ "tags": ["deploy"], "dryRun": true })).await;
    let mine = actor.call("list_memories", json!({ "tags": ["deploy"] })).await;
    let mine_count = mine["memories"].as_array().map_or(0, |all| {
        let owner = format!("user:{}", actor.grant().user);
        all.iter().filter(|memory| memory["tags"].as_array().is_some_and(|tags| tags.contains(&json!(owner)))).count()
    });
    let seen = format!("{} counted, {mine_count} listed of its own", counted["count"]);
    let expected = format!("{who} would delete by tag no more than its own");
    stage.expect(&expected, counted["count"] == mine_count as u64, seen, &[counted.op(), mine.op()]);
}
