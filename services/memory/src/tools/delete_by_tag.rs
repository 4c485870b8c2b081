//! `delete_by_tag`: deletes the caller's memories with some tags, after a dry run that says how many there are.

use super::{CHANGES, now_us, refused, time_text, validate};
use crate::confirm::{Confirmations, LIFETIME_US};
use crate::store::{Store, TagFilter};
use crate::tenant::Tenant;
use mcp_contracts::memory::{DeleteByTag, DeletedByTag, tool};
use mcp_contracts::{ErrorCode, Scope, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};
use std::sync::Arc;

const INFO: ToolInfo = ToolInfo {
    name: tool::DELETE_BY_TAG,
    title: "Delete memories by tag",
    description: "First with `dryRun`: answers how many of your own memories match, and a confirmation token. Then again with the \
                  token: deletes them, unless their number has changed meanwhile.",
    annotations: CHANGES,
    scopes: &[Scope::MemoryDelete],
};

pub(super) fn tool(store: Arc<dyn Store>, confirmations: Confirmations) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: DeleteByTag| {
        let (store, confirmations) = (Arc::clone(&store), confirmations.clone());
        async move { delete(&*store, &confirmations, &Tenant::of(&context.claims), request).await }
    })
}

async fn delete(
    store: &dyn Store,
    confirmations: &Confirmations,
    tenant: &Tenant,
    request: DeleteByTag,
) -> Result<DeletedByTag, ToolError> {
    let tags = TagFilter { tags: validate::own_tags(request.tags)?, tag_match: request.tag_match };
    if tags.tags.is_empty() {
        return Err(validate::invalid("`tags` is empty; name at least one").with_hint("nothing was deleted"));
    }
    if request.dry_run {
        let count = store.count_by_tag(tenant, tags.clone()).await.map_err(refused)?;
        let expires_us = now_us() + LIFETIME_US;
        return Ok(DeletedByTag {
            count,
            dry_run: true,
            confirmation_token: Some(confirmations.issue(tenant, &tags, count, expires_us)),
            expires_at: Some(time_text(expires_us)),
        });
    }
    let token = request.confirmation_token.as_deref().unwrap_or_default();
    let Some(expected) = confirmations.confirmed(token, tenant, &tags, now_us()) else {
        return Err(ToolError::new(
            ErrorCode::ConfirmationRequired,
            "`confirmationToken` is missing, expired or for another selection",
        )
        .with_hint("call with `dryRun: true` first and bring the token that it answers"));
    };
    let count = store.delete_by_tag(tenant, tags, expected).await.map_err(refused)?;
    Ok(DeletedByTag { count, dry_run: false, confirmation_token: None, expires_at: None })
}
