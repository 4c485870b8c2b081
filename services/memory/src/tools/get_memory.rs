//! `get_memory`: reads one memory by its id.

use super::{READS, store_tool, tool_error};
use crate::store::{Store, StoreError};
use crate::tenant::Tenant;
use mcp_contracts::memory::{GetMemory, Memory, tool};
use mcp_contracts::{Scope, ToolError, metric};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::GET,
    title: "Read a memory",
    description: "Returns one memory, by the `id` that storing, searching or listing returned. The memory must be your own or shared with your \
                  workspace; otherwise the error is `not_found`.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, run)
}

async fn run(store: Arc<dyn Store>, tenant: Tenant, request: GetMemory) -> Result<Memory, ToolError> {
    let result = store.get(&tenant, request.id).await;
    // An outage is not a miss: it would make the hit rate fall although every memory exists.
    let outcome = match &result {
        Ok(_) => "hit",
        Err(StoreError::NotFound(_)) => "miss",
        Err(_) => "error",
    };
    metrics::counter!(metric::MEMORY_LOOKUPS_TOTAL, "outcome" => outcome).increment(1);
    result.map_err(tool_error)
}
