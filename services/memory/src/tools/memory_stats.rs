//! `memory_stats`: counts of the memories that the user can see.

use super::{READS, store_tool, tool_error};
use crate::store::Store;
use crate::tenant::Tenant;
use crate::time::time_text;
use mcp_contracts::memory::{MemoryStats, MemoryStatsReply, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::STATS,
    title: "Count memories",
    description: "Returns the number of memories you can see (your own private ones and those shared with your workspace), their size in bytes, \
                  the most frequent tags, the oldest and newest creation time, and what your organisation stores and may store.",
    annotations: READS,
    scopes: &[Scope::MemoryRead],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, run)
}

async fn run(store: Arc<dyn Store>, tenant: Tenant, _request: MemoryStats) -> Result<MemoryStatsReply, ToolError> {
    let stats = store.stats(&tenant).await.map_err(tool_error)?;
    Ok(MemoryStatsReply {
        private: stats.private,
        workspace: stats.shared,
        content_bytes: stats.bytes,
        tags: stats.tags,
        oldest: stats.span.map(|(oldest, _)| time_text(oldest)),
        organisation_bytes: stats.stored,
        organisation_bytes_allowed: stats.allowed,
        newest: stats.span.map(|(_, newest)| time_text(newest)),
    })
}
