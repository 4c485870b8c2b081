//! The list of the tools; each has a file.

mod get_execution;
mod list_executions;
mod run_workflow;

use crate::store::Store;
use crate::workflow::Workflow;
use mcp_contracts::Scope;
use mcp_kit::{Annotations, CallContext, ToolSet};
use std::sync::Arc;

const READS: Annotations = Annotations { read_only: true, destructive: false, idempotent: true };
const SCOPES: &[Scope] = &[Scope::AgentsRun];

/// Returns every tool, in the order of `tools/list`.
pub fn all(workflow: Arc<Workflow>, store: &Store) -> ToolSet {
    ToolSet::new(vec![
        run_workflow::tool(workflow),
        get_execution::tool(store.clone()),
        list_executions::tool(store.clone()),
    ])
}

/// Returns true if the user may see the executions of the whole organisation.
fn sees_organisation(context: &CallContext) -> bool {
    context.claims.allows(Scope::Admin)
}
