//! `import_memories`: stores many memories, all or none.

use super::{ADDS, store_tool, tool_error, validate};
use crate::store::Store;
use crate::tenant::Tenant;
use mcp_contracts::limits::MAX_IMPORT;
use mcp_contracts::memory::{ImportPage, ImportedMemories, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::IMPORT,
    title: "Import memories",
    description: "Stores up to 500 memories in one call, all or none; takes a page of `export_memories` as it is. Content, free tags, type, \
                  metadata, visibility and `createdAt` are kept, ids only with `keepIds`. A text that you stored before is not stored again and counts as a \
                  duplicate. Returns the ids in the order of the request.",
    annotations: ADDS,
    scopes: &[Scope::MemoryWrite],
};

pub(super) fn tool(store: &Arc<dyn Store>) -> Tool {
    store_tool(INFO, store, run)
}

async fn run(store: Arc<dyn Store>, tenant: Tenant, request: ImportPage) -> Result<ImportedMemories, ToolError> {
    let count = request.memories.len();
    if count == 0 || count > MAX_IMPORT {
        return Err(validate::invalid(format!("`memories` has {count} entries; it must have 1 to {MAX_IMPORT}")));
    }
    let validate = |(index, memory)| {
        validate::imported_memory(memory, request.keep_ids).map_err(|mut error| {
            error.message = format!("memory {index}: {}", error.message);
            error
        })
    };
    let memories = request.memories.into_iter().enumerate().map(validate).collect::<Result<_, _>>()?;
    let inserted = store.insert(&tenant, memories).await.map_err(tool_error)?;
    let created = inserted.iter().filter(|inserted| inserted.created).count() as u64;
    Ok(ImportedMemories {
        created,
        duplicates: inserted.len() as u64 - created,
        ids: inserted.into_iter().map(|inserted| inserted.id).collect(),
    })
}
