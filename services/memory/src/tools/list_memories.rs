//! `list_memories`: pages through memories, newest first.

use super::{READS, refused, validate};
use crate::cursor::Binding;
use crate::store::{ListQuery, Store};
use crate::tenant::Tenant;
use mcp_contracts::memory::{ListMemories, MemoryPage, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::LIST,
    title: "List memories",
    description: "Lists the memories you can see, newest first. Tags, type and time narrow it down.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: ListMemories| {
        let store = Arc::clone(&store);
        async move { page(&*store, &Tenant::of(&context.claims), request).await }
    })
}

/// One page of what `request` selects.
pub(super) async fn page(
    store: &dyn Store,
    tenant: &Tenant,
    mut request: ListMemories,
) -> Result<MemoryPage, ToolError> {
    let (limit, selection) = (validate::limit(request.limit)?, validate::selection(&request.filter)?);
    let cursor = request.cursor.take();
    request.limit = None;
    let binding = Binding::new(tenant, &format!("list {}", serde_json::to_string(&request).unwrap_or_default()));
    let place = |cursor: &String| binding.parse_list(cursor).ok_or_else(validate::bad_cursor);
    let after = cursor.as_ref().map(place).transpose()?;
    let mut listed = store.list(tenant, ListQuery { selection, limit: limit + 1, after }).await.map_err(refused)?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next_cursor = listed.last().filter(|_| more).map(|last| binding.list(last.place));
    Ok(MemoryPage { memories: listed.into_iter().map(|listed| listed.memory).collect(), next_cursor })
}
