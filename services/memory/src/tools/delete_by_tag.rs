//! `delete_by_tag`: deletes the user's own memories with some tags. A dry run first counts them and returns a confirmation token.

use super::{CHANGES, store_tool, tool_error, validate};
use crate::confirm::{Confirmations, LIFETIME_US};
use crate::store::{Store, TagFilter};
use crate::tenant::Tenant;
use crate::time::{now_us, time_text};
use mcp_contracts::memory::{DeleteByTag, DeletedByTag, tool};
use mcp_contracts::{ErrorCode, Scope, ToolError};
use mcp_kit::{Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::DELETE_BY_TAG,
    title: "Delete memories by tag",
    description: "Deletes your own memories with the given tags permanently, in two calls. Call with `dryRun: true` first: it deletes nothing and \
                  returns the number of matching memories and a `confirmationToken`, valid for 5 minutes. Then call with the same tags and \
                  the token: it deletes exactly these memories, unless one was added, changed or deleted since the dry run.",
    annotations: CHANGES,
    scopes: &[Scope::MemoryDelete],
};

pub(super) fn tool(store: &Arc<dyn Store>, confirmations: Confirmations) -> Tool {
    store_tool(INFO, store, move |store, tenant, request| run(store, confirmations.clone(), tenant, request))
}

async fn run(
    store: Arc<dyn Store>,
    confirmations: Confirmations,
    tenant: Tenant,
    request: DeleteByTag,
) -> Result<DeletedByTag, ToolError> {
    // Tags of the service are refused, because every memory of the user has the same ones.
    let tags = TagFilter { tags: validate::own_tags(request.tags)?, tag_match: request.tag_match };
    // An empty filter matches everything. In another server a missing parameter deleted 87 % of a store
    // (doobidoo/mcp-memory-service#353).
    if tags.tags.is_empty() {
        return Err(validate::invalid("`tags` is empty; it must have at least one").with_hint("nothing was deleted"));
    }
    if request.dry_run {
        let selected = store.select_by_tag(&tenant, tags.clone()).await.map_err(tool_error)?;
        let expires_us = now_us() + LIFETIME_US;
        return Ok(DeletedByTag {
            count: selected.count,
            dry_run: true,
            confirmation_token: Some(confirmations.issue(&tenant, &tags, selected, expires_us)),
            expires_at: Some(time_text(expires_us)),
        });
    }
    let token = request.confirmation_token.as_deref().unwrap_or_default();
    let Some(expected) = confirmations.confirmed(token, &tenant, &tags, now_us()) else {
        return Err(ToolError::new(
            ErrorCode::ConfirmationRequired,
            "`confirmationToken` is missing, expired or for another selection",
        )
        .with_hint("call with `dryRun: true` first and pass the token that it returns"));
    };
    let count = store.delete_by_tag(&tenant, tags, expected).await.map_err(tool_error)?;
    Ok(DeletedByTag { count, dry_run: false, confirmation_token: None, expires_at: None })
}
