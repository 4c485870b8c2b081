//! The tools, one file each. Here is their list.

mod get_execution;
mod list_executions;
mod run_workflow;

use crate::store::Store;
use crate::workflow::Workflow;
use mcp_contracts::Scope;
use mcp_kit::{Annotations, CallContext, ToolSet};
use std::sync::Arc;

/// Promise of a tool that reads.
const READS: Annotations = Annotations { read_only: true, destructive: false, idempotent: true };
/// What every tool needs.
const SCOPES: &[Scope] = &[Scope::AgentsRun];

/// Every tool, in the order of `tools/list`.
pub fn all(workflow: Arc<Workflow>, store: &Store) -> ToolSet {
    ToolSet::new(vec![
        run_workflow::tool(workflow),
        get_execution::tool(store.clone()),
        list_executions::tool(store.clone()),
    ])
}

/// Whether the caller may see what others of the organisation did.
fn sees_all(context: &CallContext) -> bool {
    context.claims.allows(Scope::Admin)
}
