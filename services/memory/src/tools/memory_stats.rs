//! `memory_stats`: figures of what the caller can see.

use super::{READS, refused, time_text};
use crate::store::Store;
use crate::tenant::Tenant;
use mcp_contracts::Scope;
use mcp_contracts::memory::{MemoryStats, MemoryStatsReply, tool};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::STATS,
    title: "Count memories",
    description: "Counts the memories you can see, their bytes and their most used tags.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, _request: MemoryStats| {
        let store = Arc::clone(&store);
        async move {
            let stats = store.stats(&Tenant::of(&context.claims)).await.map_err(refused)?;
            Ok(MemoryStatsReply {
                private: stats.private,
                workspace: stats.shared,
                content_bytes: stats.bytes,
                tags: stats.tags,
                oldest: stats.span.map(|(oldest, _)| time_text(oldest)),
                newest: stats.span.map(|(_, newest)| time_text(newest)),
            })
        }
    })
}
