//! `get_memory`: reads one memory by its id.

use super::{READS, refused};
use crate::store::{Store, StoreError};
use crate::tenant::Tenant;
use mcp_contracts::memory::{GetMemory, tool};
use mcp_contracts::{Scope, metric};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::GET,
    title: "Read a memory",
    description: "Reads one memory by its id.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: GetMemory| {
        let store = Arc::clone(&store);
        async move {
            let result = store.get(&Tenant::of(&context.claims), request.id).await;
            let outcome = match &result {
                Ok(_) => "hit",
                Err(StoreError::NotFound(_)) => "miss",
                Err(_) => "error",
            };
            metrics::counter!(metric::MEMORY_LOOKUPS_TOTAL, "outcome" => outcome).increment(1);
            result.map_err(refused)
        }
    })
}
