//! `store_memory`: stores one memory, which is durable before the reply is sent.

use super::{ADDS, store_tool, tool_error, validate};
use crate::store::Store;
use crate::tenant::Tenant;
use crate::time::time_text;
use mcp_contracts::memory::{StoreMemory, StoredMemory, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::STORE,
    title: "Store a memory",
    description: "Stores a text so that later sessions can find it. The memory is private to you unless `visibility` is `workspace`. \
                  If you stored the same text before, returns the existing memory and `created` is false.",
    annotations: ADDS,
    scopes: &[Scope::MemoryWrite],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, run)
}

async fn run(store: Arc<dyn Store>, tenant: Tenant, request: StoreMemory) -> Result<StoredMemory, ToolError> {
    let memory = validate::new_memory(request)?;
    let mut inserted = store.insert(&tenant, vec![memory]).await.map_err(tool_error)?;
    let inserted = inserted.pop().expect("a store returns one result for each memory");
    Ok(StoredMemory {
        id: inserted.id,
        created: inserted.created,
        version: inserted.version,
        content_hash: hex::encode(inserted.content_hash),
        created_at: time_text(inserted.created_us),
    })
}
