//! `list_memories`: lists memories by tags, type and time, newest first.

use super::{READS, store_tool, tool_error, validate};
use crate::cursor::Binding;
use crate::store::{ListQuery, Listed, Store};
use crate::tenant::Tenant;
use mcp_contracts::memory::{ListMemories, MemoryPage, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::LIST,
    title: "List memories",
    description: "Lists the memories you can see, newest first: your own and those shared with your workspace. `tags`, `type`, `createdAfter` \
                  and `createdBefore` narrow the list. If the reply has a `nextCursor`, repeat the call with it as `cursor` for the next page.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, |store, tenant, request| page(store, tenant, request, usize::MAX))
}

/// Returns a page of at most `max_bytes` of JSON, but of at least one memory if there is one.
pub(super) async fn page(
    store: Arc<dyn Store>,
    tenant: Tenant,
    mut request: ListMemories,
    max_bytes: usize,
) -> Result<MemoryPage, ToolError> {
    let (limit, selection) = (validate::limit(request.limit)?, validate::selection(&request.filter)?);
    let cursor = request.cursor.take();
    // A cursor belongs to the query, not to the size of its pages: a client may change `limit` from page to page.
    request.limit = None;
    let binding = Binding::new(&tenant, "list", &request);
    let parse = |cursor: String| binding.parse_list(&cursor).ok_or_else(validate::bad_cursor);
    let after = cursor.map(parse).transpose()?;
    // One more than the page shows whether there is a next page.
    let query = ListQuery { selection, limit: limit + 1, after };
    let mut listed = store.list(&tenant, query).await.map_err(tool_error)?;
    let shown = fitting(&listed, max_bytes).min(limit);
    let has_more = listed.len() > shown;
    listed.truncate(shown);
    let next_cursor = listed.last().filter(|_| has_more).map(|last| binding.list(last.place));
    Ok(MemoryPage { memories: listed.into_iter().map(|listed| listed.memory).collect(), next_cursor })
}

/// Returns how many of the first memories have at most `max_bytes` of JSON together; at least one.
fn fitting(listed: &[Listed], max_bytes: usize) -> usize {
    if max_bytes == usize::MAX {
        return listed.len();
    }
    let mut bytes = 0;
    let fits = |listed: &&Listed| {
        bytes += serde_json::to_string(&listed.memory).map_or(0, |text| text.len());
        bytes <= max_bytes
    };
    listed.iter().take_while(fits).count().max(1)
}
