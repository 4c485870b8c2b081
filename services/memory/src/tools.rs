//! The tools, one file each. Here is their list and what they share: the way from a store's error to the caller's.

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
mod validate;

use crate::confirm::Confirmations;
use crate::store::{Store, StoreError};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::{Annotations, ToolSet};
use std::sync::Arc;

/// Promise of a tool that reads.
const READS: Annotations = Annotations { read_only: true, destructive: false, idempotent: true };
/// Promise of a tool that adds.
const ADDS: Annotations = Annotations { read_only: false, destructive: false, idempotent: true };
/// Promise of a tool that changes or removes.
const CHANGES: Annotations = Annotations { read_only: false, destructive: true, idempotent: true };

/// Every tool, in the order of `tools/list`.
pub fn all(store: &Arc<dyn Store>, confirmations: Confirmations) -> ToolSet {
    ToolSet::new(vec![
        store_memory::tool(Arc::clone(store)),
        get_memory::tool(Arc::clone(store)),
        search_memory::tool(Arc::clone(store)),
        list_memories::tool(Arc::clone(store)),
        update_memory::tool(Arc::clone(store)),
        delete_memory::tool(Arc::clone(store)),
        delete_by_tag::tool(Arc::clone(store), confirmations),
        memory_stats::tool(Arc::clone(store)),
        export_memories::tool(Arc::clone(store)),
        import_memories::tool(Arc::clone(store)),
    ])
}

/// What a caller is told of a store's error.
fn refused(error: StoreError) -> ToolError {
    let (code, hint) = match &error {
        StoreError::NotFound(_) => (
            ErrorCode::NotFound,
            Some("it may have been deleted, or belong to another user, workspace or organisation"),
        ),
        StoreError::NotYours(_) => {
            (ErrorCode::InsufficientScope, Some("only its owner, or a token with the scope `admin`, may change it"))
        }
        StoreError::IdempotencyConflict(_) => (ErrorCode::IdempotencyConflict, Some("use a new key for a new request")),
        StoreError::VersionConflict { .. } => {
            (ErrorCode::VersionConflict, Some("read it again and repeat the change on its version"))
        }
        StoreError::SelectionChanged { .. } => (ErrorCode::ConfirmationRequired, Some("make the dry run again")),
        StoreError::Overloaded => (ErrorCode::Overloaded, Some("try again after a moment")),
        StoreError::Full => (ErrorCode::StorageFull, Some("nothing was changed; the operator must free space")),
        StoreError::Closed => (ErrorCode::Draining, Some("another instance will answer")),
        StoreError::Failed(_) => (ErrorCode::Internal, None),
    };
    let message = match &error {
        StoreError::Failed(_) => "the store failed; the log has the details".to_owned(),
        other => other.to_string(),
    };
    let refused = ToolError::new(code, message);
    match hint {
        Some(hint) => refused.with_hint(hint),
        None => refused,
    }
}

fn time_text(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).unwrap_or_default().to_string()
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
