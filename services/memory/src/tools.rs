//! The tools of the service, one file each. This file lists them and turns errors of the store into errors for the client.

mod delete_by_tag;
mod delete_memory;
mod export_memories;
mod get_memory;
mod import_memories;
mod list_memories;
mod memory_stats;
mod search_memory;
mod store_memory;
mod update_memory;
pub(crate) mod validate;

use crate::confirm::Confirmations;
use crate::store::{Store, StoreError};
use crate::tenant::Tenant;
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::{Annotations, CallContext, Tool, ToolInfo, ToolSet};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

const READS: Annotations = Annotations { read_only: true, destructive: false, idempotent: true };
// Idempotent, because a text that the user stored before is not stored again.
const ADDS: Annotations = Annotations { read_only: false, destructive: false, idempotent: true };
const CHANGES: Annotations = Annotations { read_only: false, destructive: true, idempotent: true };

/// Returns every tool, in the order of `tools/list`.
pub fn all(store: &Arc<dyn Store>, confirmations: Confirmations) -> ToolSet {
    ToolSet::new(vec![
        store_memory::tool(store),
        get_memory::tool(store),
        search_memory::tool(store),
        list_memories::tool(store),
        update_memory::tool(store),
        delete_memory::tool(store),
        delete_by_tag::tool(store, confirmations),
        memory_stats::tool(store),
        export_memories::tool(store),
        import_memories::tool(store),
    ])
}

/// Creates a tool that runs `call` on the store, for the tenant of the token.
fn store_tool<Request, Response, Running>(
    info: ToolInfo,
    store: &Arc<dyn Store>,
    call: impl Fn(Arc<dyn Store>, Tenant, Request) -> Running + Send + Sync + 'static,
) -> Tool
where
    Request: DeserializeOwned + JsonSchema + Send + 'static,
    Response: Serialize + JsonSchema + 'static,
    Running: Future<Output = Result<Response, ToolError>> + Send + 'static,
{
    let store = Arc::clone(store);
    Tool::new(info, move |context: CallContext, request| call(Arc::clone(&store), Tenant::of(&context.claims), request))
}

fn tool_error(error: StoreError) -> ToolError {
    let message = error.to_string();
    let (code, hint) = match error {
        StoreError::NotFound(_) => {
            (ErrorCode::NotFound, "it may have been deleted, or belong to another user, workspace or organisation")
        }
        StoreError::NotOwner(_) => {
            (ErrorCode::InsufficientScope, "only its owner, or a token with the scope `admin`, may change it")
        }
        StoreError::IdempotencyConflict(_) => (ErrorCode::IdempotencyConflict, "use a new key for a new request"),
        StoreError::VersionConflict { .. } => {
            (ErrorCode::VersionConflict, "read the memory again and repeat the change with its current version")
        }
        StoreError::IdInUse(_) => (
            ErrorCode::IdConflict,
            "nothing was imported; omit this memory or its `id`, or import without `keepIds` to get new ids",
        ),
        StoreError::StorageQuota { .. } => (
            ErrorCode::StorageQuotaExceeded,
            "nothing was changed; delete memories, or move to a larger plan; `memory_stats` returns what is stored and allowed",
        ),
        StoreError::SelectionChanged { .. } => (ErrorCode::ConfirmationRequired, "repeat the dry run"),
        StoreError::CursorExpired => {
            (ErrorCode::BadCursor, "repeat the query without a cursor to start at the first page")
        }
        StoreError::DeletedPart { error, .. } => {
            let cause = ToolError::from(error);
            return ToolError { message, ..cause }.with_hint("repeat the dry run, and delete what it counts");
        }
        StoreError::Database(error) => return error.into(),
    };
    ToolError::new(code, message).with_hint(hint)
}
