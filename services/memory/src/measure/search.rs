//! Asks the search of the service: stores the set in a temporary database and calls the tools that a client calls.

use super::labelled::LabelledSet;
use super::{DEPTH, place};
use crate::confirm::Confirmations;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::tools;
use mcp_contracts::claims::AUDIENCE;
use mcp_contracts::limits::MAX_IMPORT;
use mcp_contracts::memory::{ImportedMemories, SearchReply, tool};
use mcp_contracts::{Claims, Plan, Role, Scope};
use mcp_kit::{CallContext, ElicitationContext, ToolOutcome, ToolSet};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The memories are so old that nothing is left of their recency, so that the day of the measurement does not change a figure.
const CREATED: &str = "2001-01-01T00:00:00Z";
/// Deadline of one call.
const DEADLINE: Duration = Duration::from_secs(60);

/// Returns the place of the evidence for each question.
pub(super) fn places(set: &LabelledSet) -> Result<Vec<Option<usize>>, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("failed to create a temporary folder: {error}"))?;
    let file = folder.path().join("memory.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file).map_err(|error| error.to_string())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("failed to start a runtime: {error}"))?.block_on(async {
        let places = ask(&store, set).await;
        store.close().await;
        places
    })
}

async fn ask(store: &Arc<dyn Store>, set: &LabelledSet) -> Result<Vec<Option<usize>>, String> {
    // No deletion is confirmed here, so the secret protects nothing.
    let tools = tools::all(store, Confirmations::new(std::iter::once("measure")));
    let mut ids: HashMap<String, &str> = HashMap::new();
    for memories in set.memories.chunks(MAX_IMPORT) {
        let imported: Vec<Value> =
            memories.iter().map(|memory| json!({ "content": memory.text, "createdAt": CREATED })).collect();
        let reply: ImportedMemories = call(&tools, tool::IMPORT, &json!({ "memories": imported })).await?;
        ids.extend(reply.ids.into_iter().zip(memories.iter().map(|memory| memory.id.as_str())));
    }
    let mut places = Vec::new();
    for question in &set.questions {
        let arguments = json!({ "query": question.question, "limit": DEPTH });
        let reply: SearchReply = call(&tools, tool::SEARCH, &arguments).await?;
        let ranked = reply.hits.iter().filter_map(|hit| ids.get(&hit.memory.id).copied());
        places.push(place(question, ranked));
    }
    Ok(places)
}

async fn call<Reply: DeserializeOwned>(tools: &ToolSet, name: &str, arguments: &Value) -> Result<Reply, String> {
    let failed = |problem: String| format!("failed to call `{name}`: {problem}");
    let tool = tools.get(name).ok_or_else(|| failed("there is no such tool".to_owned()))?;
    let arguments = serde_json::value::to_raw_value(arguments).map_err(|error| failed(error.to_string()))?;
    match tool.call(context(), arguments).await.map_err(|error| failed(error.message))? {
        ToolOutcome::Complete(reply) => serde_json::from_str(reply.get()).map_err(|error| failed(error.to_string())),
        ToolOutcome::InputRequired(question) => Err(failed(question.message)),
    }
}

fn context() -> CallContext {
    let claims = Claims {
        sub: "measure".to_owned(),
        org_id: "measure".to_owned(),
        workspace_slug: "default".to_owned(),
        plan: Plan::Enterprise,
        role: Role::default(),
        scopes: vec![Scope::MemoryRead, Scope::MemoryWrite],
        exp: u64::MAX,
        iat: 0,
        jti: String::new(),
        aud: AUDIENCE.to_owned(),
    };
    CallContext {
        claims: Arc::new(claims),
        execution_id: "measure".into(),
        deadline: Instant::now() + DEADLINE,
        elicitation: ElicitationContext::default(),
    }
}
