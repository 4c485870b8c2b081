//! `log_pattern_usage`: logs the outcome of a pattern, once per execution. The log entry is durable before the reply.

use super::{SCOPES, bounded, execution_id, find};
use crate::ServiceParts;
use crate::usage::PatternUse;
use mcp_contracts::limits::MAX_NOTE_BYTES;
use mcp_contracts::patterns::{LogPatternUsage, LoggedUsage, tool};
use mcp_contracts::{Scope, ToolError};
use mcp_kit::{Annotations, CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::LOG_USAGE,
    title: "Log the outcome of a pattern",
    description: "Logs whether the user accepted, modified or rejected a pattern. A pattern counts once per execution; repeating the call \
                  has no further effect. Recommendations change only if the token has the scope `patterns.rank`.",
    annotations: Annotations { read_only: false, destructive: false, idempotent: true },
    scopes: SCOPES,
};

pub(super) fn tool(parts: ServiceParts) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: LogPatternUsage| {
        let parts = parts.clone();
        async move { log(&parts, &context, request).await }
    })
}

async fn log(parts: &ServiceParts, context: &CallContext, request: LogPatternUsage) -> Result<LoggedUsage, ToolError> {
    execution_id(&request.execution_id)?;
    request.note.as_deref().map_or(Ok(()), |note| bounded("note", note, MAX_NOTE_BYTES))?;
    find(&parts.catalog.get(), &request.pattern_id)?;
    let used = PatternUse {
        org: context.claims.org_id.clone(),
        user: context.claims.sub.clone(),
        execution: request.execution_id,
        pattern: request.pattern_id,
        outcome: request.outcome,
        note: request.note,
        counts: context.claims.allows(Scope::PatternsRank),
        at_us: jiff::Timestamp::now().as_microsecond(),
    };
    let (recorded, history) = parts.usage.log(used).await?;
    let acceptance_rate = if history.uses == 0 { 0.0 } else { history.good as f64 / history.uses as f64 };
    Ok(LoggedUsage { recorded, uses: history.uses, acceptance_rate })
}
