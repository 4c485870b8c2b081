//! `export_memories`: the pages of `list_memories`, as large as possible by default, but small enough for one import.

use super::{READS, list_memories, store_tool};
use crate::store::Store;
use mcp_contracts::Scope;
use mcp_contracts::limits::{MAX_EXPORT_BYTES, MAX_PAGE};
use mcp_contracts::memory::{ListMemories, tool};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::EXPORT,
    title: "Export memories",
    description: "Returns all memories you can see, in the largest pages, for backup or transfer; `import_memories` stores them again. If the \
                  reply has a `nextCursor`, repeat the call with it as `cursor` for the next page.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, |store, tenant, request: ListMemories| {
        let limit = request.limit.or(Some(MAX_PAGE));
        list_memories::page(store, tenant, ListMemories { limit, ..request }, MAX_EXPORT_BYTES)
    })
}
