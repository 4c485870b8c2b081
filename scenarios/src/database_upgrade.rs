//! A database that the first release wrote is brought up to date in place: everything in it is there for its owners and for nobody else, and new
//! memories go beside it. The file was written by that release through its own tools (fixtures/databases); what it holds is written down there.

use harness_core::drive::scenario::{Actor, Broken, Scenario, Stage};
use harness_core::plan::topology::Topology;
use harness_core::stack::Given;
use mcp_contracts::{ErrorCode, Service};
use serde_json::{Value, json};

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "database-upgrade",
    "a database of the first release is brought up to date with everything in it",
    Topology::memory,
    |stage| Box::pin(play(stage)),
)
.given(|| vec![Given::Database { service: Service::Memory, bytes: FILE.into() }])
.requires(&["no-lost-writes"]);

const FILE: &[u8] = include_bytes!("../../fixtures/databases/memory-v1.db");
const HOLDS: &str = include_str!("../../fixtures/databases/memory-v1.json");

async fn play(stage: &Stage<'_>) -> Result<(), Broken> {
    let held: Vec<Value> = serde_json::from_str(HOLDS).map_err(|error| Broken(error.to_string()))?;
    for memory in &held {
        if let (Some(id), Some(content)) = (memory["id"].as_str(), memory["content"].as_str()) {
            owner(stage, memory).had(id, content);
        }
    }
    there(stage, &held, "after the upgrade").await;

    let mut ann = stage.user_exactly("ann", "acme");
    let note = json!({ "content": ann.private("Written after the upgrade"), "tags": ["new"] });
    let stored = ann.call("store_memory", note).await.ok("a new memory goes beside the old ones").or_stop()?;
    let found = ann.call("search_memory", json!({ "query": "written upgrade" })).await;
    let _ = found.gives("and is found", |reply| reply["hits"][0]["id"] == stored["id"]);

    let memory = &stage.instances(Service::Memory)[0];
    stage.restart(memory).await?;
    there(stage, &held, "after another start").await;
    Ok(())
}

fn owner<'s>(stage: &'s Stage<'s>, memory: &Value) -> Actor<'s> {
    let text = |name: &str| memory[name].as_str().unwrap_or_default();
    stage.user_exactly(text("user"), text("org")).in_workspace(text("workspace"))
}

/// Every memory of the older release is there for its owner, found by its words, and not there for a stranger.
async fn there(stage: &Stage<'_>, held: &[Value], when: &str) {
    for memory in held {
        let mut owner = owner(stage, memory);
        let by_id = json!({ "id": memory["id"] });
        let reply = owner.call("get_memory", by_id.clone()).await;
        let Some(content) = memory["content"].as_str() else {
            let _ = reply.refuses(&format!("what was deleted stays deleted {when}"), ErrorCode::NotFound);
            continue;
        };
        let same = |reply: &Value| ["content", "version", "type"].iter().all(|field| reply[*field] == memory[*field]);
        let _ = reply.gives(&format!("`{}` has its memory {when}: {content:.40}", owner.grant().user), same);
        let word = content.split_whitespace().max_by_key(|word| word.len()).unwrap_or_default();
        let found = owner.call("search_memory", json!({ "query": word })).await;
        let hit = |reply: &Value| {
            reply["hits"].as_array().is_some_and(|hits| hits.iter().any(|hit| hit["id"] == memory["id"]))
        };
        let _ = found.gives(&format!("and finds it by `{word}`"), hit);
        let mut stranger = stage.user("eve", "strangers");
        let _ = stranger.call("get_memory", by_id).await.refuses("a stranger does not have it", ErrorCode::NotFound);
    }
}
