//! `get_execution`: one execution of the user; with the scope `admin` one of the organisation.

use super::{READS, SCOPES, sees_organisation};
use crate::store::{Owner, ReadableExecution, Store};
use crate::workflow;
use mcp_contracts::memory::Visibility;
use mcp_contracts::orchestrator::{Execution, GetExecution, tool};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::GET_EXECUTION,
    title: "Show an execution",
    description: "Returns an earlier run of an agent: every step, how it ended, and the artefact. For an administrator, what came from another user's \
                  private memories is left out.",
    annotations: READS,
    scopes: SCOPES,
};

pub(super) fn tool(store: Store) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: GetExecution| {
        let store = store.clone();
        async move { show(&store, &context, request).await }
    })
}

async fn show(store: &Store, context: &CallContext, request: GetExecution) -> Result<Execution, ToolError> {
    let id = request.execution_id;
    workflow::execution_id(&id)?;
    let found = store.execution(Owner::of(&context.claims), sees_organisation(context), id.clone()).await?;
    found.map(without_foreign_memories).ok_or_else(|| {
        ToolError::new(ErrorCode::NotFound, format!("no ended execution `{id}` is visible to you"))
            .with_hint("it may still be running, may be too old and deleted, or may belong to another user, workspace or organisation")
    })
}

/// Removes what came from memories that the reader may not read. An administrator sees what an agent did, not the private memories of its user.
fn without_foreign_memories(found: ReadableExecution) -> Execution {
    let ReadableExecution { mut execution, own, same_workspace } = found;
    if own {
        return execution;
    }
    let mut hidden = false;
    for memory in &mut execution.memories {
        if memory.visibility == Visibility::Private || !same_workspace {
            memory.excerpt.clear();
            hidden = true;
        }
    }
    if hidden {
        // The artefact may quote them.
        execution.artefact = None;
    }
    execution
}
