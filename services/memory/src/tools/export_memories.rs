//! `export_memories`: the same pages as a list, under a name and a size made for taking everything along.

use super::{READS, list_memories};
use crate::store::Store;
use crate::tenant::Tenant;
use mcp_contracts::Scope;
use mcp_contracts::limits::MAX_PAGE;
use mcp_contracts::memory::{ListMemories, tool};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::EXPORT,
    title: "Export memories",
    description: "Pages through everything you can see, in the largest pages; `import_memories` takes it back.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, mut request: ListMemories| {
        let store = Arc::clone(&store);
        request.limit = request.limit.or(Some(MAX_PAGE));
        async move { list_memories::page(&*store, &Tenant::of(&context.claims), request).await }
    })
}
