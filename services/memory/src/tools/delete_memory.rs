//! `delete_memory`: deletes one memory for good.

use super::{CHANGES, refused};
use crate::store::Store;
use crate::tenant::Tenant;
use mcp_contracts::Scope;
use mcp_contracts::memory::{DeleteMemory, DeletedMemory, tool};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::DELETE,
    title: "Delete a memory",
    description: "Deletes one memory for good.",
    annotations: CHANGES,
    scopes: &[Scope::MemoryDelete],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: DeleteMemory| {
        let store = Arc::clone(&store);
        async move {
            store.delete(&Tenant::of(&context.claims), request.id.clone()).await.map_err(refused)?;
            Ok(DeletedMemory { id: request.id, deleted: true })
        }
    })
}
