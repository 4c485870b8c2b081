//! `import_memories`: stores many memories, all or none.

use super::{ADDS, refused, validate};
use crate::store::Store;
use crate::tenant::Tenant;
use mcp_contracts::limits::MAX_IMPORT;
use mcp_contracts::memory::{ImportMemories, ImportedMemories, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::IMPORT,
    title: "Import memories",
    description: "Stores many memories, all or none. What was stored before is counted as a duplicate.",
    annotations: ADDS,
    scopes: &[Scope::MemoryWrite],
};

pub(super) fn tool(store: Arc<dyn Store>) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: ImportMemories| {
        let store = Arc::clone(&store);
        async move { import(&*store, &Tenant::of(&context.claims), request).await }
    })
}

async fn import(store: &dyn Store, tenant: &Tenant, request: ImportMemories) -> Result<ImportedMemories, ToolError> {
    let count = request.memories.len();
    if count == 0 || count > MAX_IMPORT {
        return Err(validate::invalid(format!("`memories` has {count} entries; it must be 1 to {MAX_IMPORT}")));
    }
    let mut memories = Vec::with_capacity(count);
    for (index, memory) in request.memories.into_iter().enumerate() {
        let memory = validate::new_memory(memory).map_err(|mut error| {
            error.message = format!("memory {index}: {}", error.message);
            error
        })?;
        memories.push(memory);
    }
    let inserted = store.insert(tenant, memories).await.map_err(refused)?;
    let created = inserted.iter().filter(|inserted| inserted.created).count() as u64;
    Ok(ImportedMemories {
        created,
        duplicates: inserted.len() as u64 - created,
        ids: inserted.into_iter().map(|inserted| inserted.id).collect(),
    })
}
