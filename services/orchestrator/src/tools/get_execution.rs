//! `get_execution`: one execution of the user; with the scope `admin` one of the organisation.

use super::{READS, SCOPES, sees_organisation};
use crate::store::{Owner, Store};
use crate::workflow;
use mcp_contracts::orchestrator::{Execution, GetExecution, tool};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::GET_EXECUTION,
    title: "Show an execution",
    description: "Returns an earlier run of an agent: every step, how it ended, and the artefact.",
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
    let execution = store.execution(Owner::of(&context.claims), sees_organisation(context), id.clone()).await?;
    execution.ok_or_else(|| {
        ToolError::new(ErrorCode::NotFound, format!("no ended execution `{id}` is visible to you"))
            .with_hint("it may still be running, may be too old and deleted, or may belong to another user, workspace or organisation")
    })
}
