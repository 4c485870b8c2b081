//! `list_executions`: executions of the user, newest first; with the scope `admin` those of the organisation.

use super::{READS, SCOPES, sees_organisation};
use crate::store::{ExecutionQuery, Owner, Store};
use crate::workflow::invalid;
use mcp_contracts::limits::{DEFAULT_PAGE, MAX_PAGE};
use mcp_contracts::orchestrator::{AgentName, ExecutionList, ListExecutions, tool};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};
use sha2::{Digest, Sha256};

/// Bytes of a cursor that bind it to its reader and its query.
// The binding is not secret: it reports a cursor of another query instead of a page in the wrong place. What a reader may see is
// decided by the statement that reads.
const BINDING_BYTES: usize = 12;

const INFO: ToolInfo = ToolInfo {
    name: tool::LIST_EXECUTIONS,
    title: "List executions",
    description: "Lists earlier runs of agents, newest first, in pages.",
    annotations: READS,
    scopes: SCOPES,
};

pub(super) fn tool(store: Store) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: ListExecutions| {
        let store = store.clone();
        async move { list(&store, &context, request).await }
    })
}

async fn list(store: &Store, context: &CallContext, request: ListExecutions) -> Result<ExecutionList, ToolError> {
    let limit = match request.limit.unwrap_or(DEFAULT_PAGE) {
        limit @ 1..=MAX_PAGE => limit as usize,
        other => return Err(invalid(format!("`limit` is {other}; it must be 1 to {MAX_PAGE}"))),
    };
    let reader = Owner::of(&context.claims);
    let whole_organisation = sees_organisation(context);
    let binding = binding(&reader, whole_organisation, request.agent);
    let before = request.cursor.map(|cursor| place(&binding, &cursor)).transpose()?;
    let page =
        store.executions(ExecutionQuery { reader, whole_organisation, agent: request.agent, before, limit }).await?;
    let next_cursor = page.next.map(|place| hex::encode([&binding[..], &place.to_be_bytes()].concat()));
    Ok(ExecutionList { executions: page.executions, next_cursor })
}

fn binding(reader: &Owner, whole_organisation: bool, agent: Option<AgentName>) -> Vec<u8> {
    let mut hash = Sha256::new();
    let parts = [&*reader.org, &reader.workspace, &reader.user, agent.map_or("", AgentName::name)];
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update([u8::from(whole_organisation)]);
    hash.finalize()[..BINDING_BYTES].to_vec()
}

fn place(binding: &[u8], cursor: &str) -> Result<i64, ToolError> {
    let place = hex::decode(cursor).ok().and_then(|bytes| {
        let place = bytes.strip_prefix(binding)?;
        Some(i64::from_be_bytes(place.try_into().ok()?))
    });
    place.ok_or_else(|| {
        ToolError::new(ErrorCode::BadCursor, "`cursor` is not a cursor of this query")
            .with_hint("repeat the query without `cursor`, then use the cursors of its pages")
    })
}
