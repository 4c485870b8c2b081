//! `store_memory`: stores one memory; durable before it answers.

use super::{ADDS, refused, time_text, validate};
use crate::store::{Inserted, Store, StoreError};
use crate::tenant::Tenant;
use mcp_contracts::Scope;
use mcp_contracts::memory::{StoreMemory, StoredMemory, tool};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::STORE,
    title: "Store a memory",
    description: "Stores a text so that it can be found in later sessions. Private to you unless `visibility` is `workspace`. \
                  Storing the same text again answers the existing memory.",
    annotations: ADDS,
    scopes: &[Scope::MemoryWrite],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: StoreMemory| {
        let store = Arc::clone(&store);
        async move {
            let memory = validate::new_memory(request)?;
            let stored = store.insert(&Tenant::of(&context.claims), vec![memory]).await.map_err(refused)?;
            let stored =
                stored.into_iter().next().ok_or_else(|| refused(StoreError::Failed("no answer".to_owned())))?;
            Ok(reply(stored))
        }
    })
}

fn reply(stored: Inserted) -> StoredMemory {
    StoredMemory {
        id: stored.id,
        created: stored.created,
        version: stored.version,
        content_hash: hex::encode(stored.content_hash),
        created_at: time_text(stored.created_us),
    }
}
