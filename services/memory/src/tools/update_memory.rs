//! `update_memory`: changes a memory; durable before it answers.

use super::{CHANGES, refused, validate};
use crate::store::{Change, Store};
use crate::tenant::Tenant;
use mcp_contracts::memory::{UpdateMemory, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::UPDATE,
    title: "Change a memory",
    description: "Changes what is given and keeps the rest. `expectedVersion` refuses the change if somebody else was faster.",
    annotations: CHANGES,
    scopes: &[Scope::MemoryWrite],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: UpdateMemory| {
        let store = Arc::clone(&store);
        async move {
            let (id, change) = change(request)?;
            store.update(&Tenant::of(&context.claims), id, change).await.map_err(refused)
        }
    })
}

fn change(request: UpdateMemory) -> Result<(String, Change), ToolError> {
    let idempotency = validate::idempotency(
        request.idempotency_key.as_deref(),
        &UpdateMemory { idempotency_key: None, ..request.clone() },
    )?;
    let change = Change {
        content: request.content.map(validate::content).transpose()?,
        tags: request.tags.map(validate::own_tags).transpose()?,
        kind: request.kind.map(validate::kind).transpose()?,
        metadata: request.metadata.map(validate::metadata).transpose()?,
        visibility: request.visibility,
        expected_version: request.expected_version,
        idempotency,
    };
    let nothing = Change {
        expected_version: change.expected_version,
        idempotency: change.idempotency.clone(),
        ..Change::default()
    };
    if change == nothing {
        return Err(validate::invalid("nothing to change was given"));
    }
    Ok((request.id, change))
}
