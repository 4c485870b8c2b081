//! `select_pattern`: recommends patterns with the parts of their scores.

use super::{SCOPES, bounded, invalid, known_category};
use crate::ServiceParts;
use crate::score::{self, Query};
use mcp_contracts::limits::{DEFAULT_SELECTED, MAX_INTENT_BYTES, MAX_PATTERN_ROLE_BYTES, MAX_RECENT, MAX_SELECTED};
use mcp_contracts::patterns::{SelectPattern, SelectedPatterns, tool};
use mcp_contracts::{ToolError, metric};
use mcp_kit::{Annotations, CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::SELECT,
    title: "Recommend patterns",
    description: "Recommends prompt patterns for a task, best first, with the parts of each score. Returns an empty list if no pattern \
                  matches. Use `inject_pattern` to get the text of a recommended pattern.",
    annotations: Annotations { read_only: true, destructive: false, idempotent: true },
    scopes: SCOPES,
};

pub(super) fn tool(parts: ServiceParts) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: SelectPattern| {
        let parts = parts.clone();
        async move { select(&parts, &context, &request).await }
    })
}

async fn select(
    parts: &ServiceParts,
    context: &CallContext,
    request: &SelectPattern,
) -> Result<SelectedPatterns, ToolError> {
    let catalog = parts.catalog.get();
    bounded("intent", &request.intent, MAX_INTENT_BYTES)?;
    request.role.as_deref().map_or(Ok(()), |role| bounded("role", role, MAX_PATTERN_ROLE_BYTES))?;
    request.category.as_deref().map_or(Ok(()), |category| known_category(&catalog, category))?;
    if request.recent.len() > MAX_RECENT {
        return Err(invalid(format!("`recent` has {} ids; at most {MAX_RECENT} are allowed", request.recent.len())));
    }
    let limit = request.limit.unwrap_or(DEFAULT_SELECTED);
    if !(1..=MAX_SELECTED).contains(&limit) {
        return Err(invalid(format!("`limit` is {limit}; it must be 1 to {MAX_SELECTED}")));
    }
    let query = Query {
        intent: &request.intent,
        role: request.role.as_deref().unwrap_or(&context.claims.role.0),
        category: request.category.as_deref(),
        recent: &request.recent,
        plan: context.claims.plan,
        limit: limit as usize,
    };
    let histories = parts.usage.histories(&context.claims.org_id).await?;
    let selected = score::select(&catalog, &query, &histories);
    let outcome = if selected.patterns.is_empty() { "nothing" } else { "found" };
    metrics::counter!(metric::PATTERN_SELECTIONS_TOTAL, "outcome" => outcome).increment(1);
    Ok(selected)
}
