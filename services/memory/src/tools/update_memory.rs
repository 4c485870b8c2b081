//! `update_memory`: changes fields of a memory. The change is durable before the reply is sent.

use super::{CHANGES, store_tool, tool_error, validate};
use crate::store::{Change, Store};
use crate::tenant::Tenant;
use mcp_contracts::memory::{Memory, UpdateMemory, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::UPDATE,
    title: "Change a memory",
    description: "Changes the fields of a memory that the request contains and keeps the others; `tags` and `metadata` are replaced as a whole. \
                  Pass the version you read as `expectedVersion` to refuse the change if the memory was changed in the meantime. Only \
                  its owner, or a token with the scope `admin`, can change a memory.",
    annotations: CHANGES,
    scopes: &[Scope::MemoryWrite],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, run)
}

async fn run(store: Arc<dyn Store>, tenant: Tenant, request: UpdateMemory) -> Result<Memory, ToolError> {
    let idempotency = validate::idempotency(
        request.idempotency_key.as_deref(),
        &UpdateMemory { idempotency_key: None, ..request.clone() },
    )?;
    let fields = Change {
        content: request.content.map(validate::content).transpose()?,
        tags: request.tags.map(validate::own_tags).transpose()?,
        kind: request.kind.map(validate::kind).transpose()?,
        metadata: request.metadata.map(validate::metadata).transpose()?,
        visibility: request.visibility,
        ..Change::default()
    };
    if fields == Change::default() {
        return Err(validate::invalid("the request contains no field to change"));
    }
    let change = Change { expected_version: request.expected_version, idempotency, ..fields };
    store.update(&tenant, request.id, change).await.map_err(tool_error)
}
