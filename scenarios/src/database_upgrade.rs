//! A database of the first release is upgraded in place. Only its owners can read its memories, and they can read all
//! of them. New memories can be added. The first release wrote the database file through its own tools; the file beside
//! it in `fixtures/databases` lists its content.

use harness_core::drive::scenario::{Actor, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use harness_core::stack::Fixture;
use mcp_contracts::{ErrorCode, Service};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "database-upgrade",
    "a database of the first release is upgraded without losing anything",
    Topology::memory,
    |stage| Box::pin(play(stage)),
)
.with_fixtures(|| vec![Fixture::Database { service: Service::Memory, bytes: FILE.into() }])
.on_sqlite_files()
.requires(&["no-lost-writes"]);

const FILE: &[u8] = include_bytes!("../../fixtures/databases/memory-v1.db");
const CONTENT: &str = include_str!("../../fixtures/databases/memory-v1.json");

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let memories: Vec<Value> = serde_json::from_str(CONTENT).map_err(|error| StepFailed(error.to_string()))?;
    for memory in &memories {
        if let (Some(id), Some(content)) = (memory["id"].as_str(), memory["content"].as_str()) {
            owner(stage, memory).record_existing_memory(id, content);
        }
    }
    expect_memories(stage, &memories, "after the upgrade").await;

    let mut ann = stage.user_exactly("ann", "acme");
    let note = json!({ "content": ann.private_content("Written after the upgrade"), "tags": ["new"] });
    let stored =
        ann.call("store_memory", note).await.expect_ok("a new memory is stored beside the old ones").or_stop()?;
    let search = ann.call("search_memory", json!({ "query": "written upgrade" })).await;
    let _ = search.expect_result("search returns the new memory", |reply| reply["hits"][0]["id"] == stored["id"]);

    let memory = &stage.instances(Service::Memory)[0];
    stage.restart(memory).await?;
    expect_memories(stage, &memories, "after a restart").await;
    Ok(())
}

fn owner<'s>(stage: &'s Stage<'s>, memory: &Value) -> Actor<'s> {
    let text = |name: &str| memory[name].as_str().unwrap_or_default();
    stage.user_exactly(text("user"), text("org")).in_workspace(text("workspace"))
}

/// Expects that the owner of each old memory can read and find it, and that another organisation cannot.
async fn expect_memories(stage: &Stage<'_>, memories: &[Value], when: &str) {
    for memory in memories {
        let mut owner = owner(stage, memory);
        let by_id = json!({ "id": memory["id"] });
        let reply = owner.call("get_memory", by_id.clone()).await;
        let Some(content) = memory["content"].as_str() else {
            let _ = reply.expect_error(&format!("a deleted memory stays deleted {when}"), ErrorCode::NotFound);
            continue;
        };
        let same = |reply: &Value| ["content", "version", "type"].iter().all(|field| reply[*field] == memory[*field]);
        let _ =
            reply.expect_result(&format!("`{}` can read its memory {when}: {content:.40}", owner.grant().user), same);
        let word = content.split_whitespace().max_by_key(|word| word.len()).unwrap_or_default();
        let search = owner.call("search_memory", json!({ "query": word })).await;
        let hit = |reply: &Value| {
            reply["hits"].as_array().is_some_and(|hits| hits.iter().any(|hit| hit["id"] == memory["id"]))
        };
        let _ = search.expect_result(&format!("search for `{word}` returns it"), hit);
        let mut stranger = stage.user("eve", "strangers");
        let _ = stranger
            .call("get_memory", by_id)
            .await
            .expect_error("another organisation cannot read it", ErrorCode::NotFound);
    }
}
