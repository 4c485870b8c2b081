//! `delete_memory`: deletes one memory permanently.

use super::{CHANGES, store_tool, tool_error};
use crate::store::Store;
use crate::tenant::Tenant;
use mcp_contracts::memory::{DeleteMemory, DeletedMemory, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::DELETE,
    title: "Delete a memory",
    description: "Deletes one memory permanently, by its `id`. Only its owner, or a token with the scope `admin`, can delete it.",
    annotations: CHANGES,
    scopes: &[Scope::MemoryDelete],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, run)
}

async fn run(store: Arc<dyn Store>, tenant: Tenant, request: DeleteMemory) -> Result<DeletedMemory, ToolError> {
    store.delete(&tenant, request.id.clone()).await.map_err(tool_error)?;
    Ok(DeletedMemory { id: request.id, deleted: true })
}
