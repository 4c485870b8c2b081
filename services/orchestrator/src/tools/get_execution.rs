//! `get_execution`: shows one execution of the caller; with `admin` one of the organisation.

use super::{READS, SCOPES, sees_all};
use crate::store::{Owner, Store};
use crate::workflow;
use mcp_contracts::orchestrator::{Execution, GetExecution, tool};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::GET_EXECUTION,
    title: "Show an execution",
    description: "Shows what an earlier run of an agent did, step by step, and what it made.",
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
    let found = store.execution(Owner::of(&context.claims), sees_all(context), id.clone()).await?;
    found.ok_or_else(|| {
        ToolError::new(ErrorCode::NotFound, format!("no execution `{id}` that has ended is visible to you"))
            .with_hint("it may be running still, be too old, or belong to another user, workspace or organisation")
    })
}
