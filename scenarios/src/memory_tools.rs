//! Every tool of memory over the wire, step by step: what must come back, and what must be refused.

use harness_core::drive::scenario::{Actor, Broken, Scenario, Stage};
use harness_core::plan::topology::Topology;
use mcp_contracts::ErrorCode;
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "memory-tools",
    "every tool of memory does what it says and refuses what it must",
    Topology::memory,
    |stage| Box::pin(play(stage)),
)
.requires(&["no-lost-writes", "read-your-writes", "no-phantom-reads"]);

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let (mut ann, mut zoe) = (stage.user("ann", "acme"), stage.user("zoe", "zeta"));
    let id = write_and_find(&mut ann).await?;
    change(&mut ann, &id).await;
    move_elsewhere(&mut ann, &mut zoe).await?;
    let _ = ann.call("delete_memory", json!({ "id": id })).await.gives("delete one", |reply| reply["deleted"] == true);
    let _ = ann.call("get_memory", json!({ "id": id })).await.refuses("it is gone", ErrorCode::NotFound);
    refusals(&mut ann).await;
    Ok(())
}

async fn write_and_find(ann: &mut Actor<'_>) -> Result<Value, Broken> {
    let text = ann.private("Deploys of the billing service wait for the migration of the ledger");
    let note = json!({ "content": text, "tags": ["deploy"], "intent": "billing", "metadata": { "ticket": 7 } });
    let stored = ann.call("store_memory", note.clone()).await;
    let stored = stored.gives("store a private memory", |reply| reply["created"] == true).or_stop()?;
    let id = stored["id"].clone();
    let again = ann.call("store_memory", note).await;
    let _ =
        again.gives("store it again: the same memory answers", |reply| reply["id"] == id && reply["created"] == false);
    let read = ann.call("get_memory", json!({ "id": id })).await;
    let _ = read.gives("read it, with its tags and metadata", |reply| {
        let has = |tag: &str| reply["tags"].as_array().is_some_and(|tags| tags.contains(&json!(tag)));
        reply["content"] == text && reply["metadata"]["ticket"] == 7 && has("topic:billing") && has("user:ann")
    });
    let found = ann.call("search_memory", json!({ "query": "ledger migration" })).await;
    let _ = found.gives("find it by its words", |reply| reply["hits"][0]["id"] == id);
    let listed = ann.call("list_memories", json!({ "tags": ["deploy"] })).await;
    let _ = listed.gives("list it by its tag", |reply| reply["memories"].as_array().is_some_and(|all| all.len() == 1));
    Ok(id)
}

async fn change(ann: &mut Actor<'_>, id: &Value) {
    let change =
        json!({ "id": id, "content": ann.private("Deploys of billing wait for nobody"), "expectedVersion": 1 });
    let changed = ann.call("update_memory", change.clone()).await;
    let _ = changed.gives("change it", |reply| reply["version"] == 2);
    let stale = ann.call("update_memory", change).await;
    let _ = stale.refuses("an older version cannot be changed", ErrorCode::VersionConflict);
    let gone = ann.call("search_memory", json!({ "query": "ledger" })).await;
    let _ = gone.gives("its old words are forgotten", |reply| reply["hits"].as_array().is_some_and(Vec::is_empty));
    let shared = json!({ "content": ann.shared("Standup is at ten"), "visibility": "workspace" });
    let _ = ann.call("store_memory", shared).await.ok("share a memory with the workspace");
    let stats = ann.call("memory_stats", json!({})).await;
    let _ = stats.gives("count what is there", |reply| reply["private"] == 1 && reply["workspace"] == 1);
}

/// Export, import into another organisation, and deletion by tag there.
async fn move_elsewhere(ann: &mut Actor<'_>, zoe: &mut Actor<'_>) -> Result<(), Broken> {
    let exported = ann.call("export_memories", json!({})).await;
    let all = |reply: &Value| reply["memories"].as_array().is_some_and(|all| all.len() == 2);
    let _ = exported.gives("export everything", all).or_stop()?;
    let copies: Vec<Value> = ["Deploys wait for nobody", "Standup is at ten"]
        .into_iter()
        .map(|text| json!({ "content": zoe.private(text), "tags": ["imported"] }))
        .collect();
    let imported = zoe.call("import_memories", json!({ "memories": copies })).await;
    let _ = imported.gives("import elsewhere", |reply| reply["created"] == 2);

    let tags = json!({ "tags": ["imported"] });
    let blind = zoe.call("delete_by_tag", tags).await;
    let _ = blind.refuses("nothing is deleted by tag without a dry run", ErrorCode::ConfirmationRequired);
    let counted = zoe.call("delete_by_tag", json!({ "tags": ["imported"], "dryRun": true })).await;
    let counted = counted.gives("count what would be deleted", |reply| reply["count"] == 2).or_stop()?;
    let confirmed = json!({ "tags": ["imported"], "confirmationToken": counted["confirmationToken"] });
    let foreign = ann.call("delete_by_tag", confirmed.clone()).await;
    let _ = foreign.refuses("another user's confirmation is not accepted", ErrorCode::ConfirmationRequired);
    let deleted = zoe.call("delete_by_tag", confirmed).await;
    let _ = deleted.gives("delete what was confirmed", |reply| reply["count"] == 2);
    Ok(())
}

async fn refusals(ann: &mut Actor<'_>) {
    let cases = [
        ("an empty content", "store_memory", json!({ "content": " " }), ErrorCode::InvalidArgument),
        ("a content of 70,000 bytes", "store_memory", json!({ "content": "x".repeat(70_000) }), ErrorCode::TooLarge),
        ("a forged tag", "store_memory", json!({ "content": "x", "tags": ["org:zeta"] }), ErrorCode::ReservedTag),
        ("an unknown argument", "store_memory", json!({ "content": "x", "colour": "red" }), ErrorCode::InvalidArgument),
        ("a limit of 0", "list_memories", json!({ "limit": 0 }), ErrorCode::InvalidArgument),
        ("a cursor of somebody else", "list_memories", json!({ "cursor": "AAAA" }), ErrorCode::BadCursor),
        ("a query without words", "search_memory", json!({ "query": "!?" }), ErrorCode::InvalidArgument),
    ];
    for (name, tool, arguments, code) in cases {
        let _ = ann.call(tool, arguments).await.refuses(&format!("{name} is refused"), code);
    }
}
