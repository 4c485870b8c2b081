//! Takes a verdict that somebody acknowledges: once, over all instances, and with a line in the log that says who and why. What was to be
//! written, run or sent is never logged.

use crate::detect;
use crate::judge::{Judge, Judged};
use mcp_contracts::ToolError;
use mcp_contracts::guardrails::{Detection, Verdict, VerdictClaims};
use mcp_kit::CallContext;
use mcp_kit::verdict::Binding;

/// Most things that are masked in a reason.
const MAX_MASKED: usize = 100;

/// A verdict that somebody acknowledges.
pub(crate) struct Taken {
    /// What its token says.
    pub(crate) claims: VerdictClaims,
    /// Why the action goes on.
    pub(crate) reason: String,
    /// What the rules say.
    pub(crate) judged: Judged,
}

/// Uses the verdict up and signs that it was acknowledged.
pub(crate) async fn take(judge: &Judge, context: &CallContext, taken: Taken) -> Result<Verdict, ToolError> {
    let Taken { claims, reason, judged } = taken;
    judge.single_use.take(&claims).await?;
    tracing::info!(
        executionId = claims.execution_id,
        userId = context.claims.sub,
        orgId = context.claims.org_id,
        rules = claims.rules.join(","),
        reason = masked(&reason),
        "broken rules were acknowledged"
    );
    let binding = Binding {
        org_id: claims.org_id,
        sub: context.claims.sub.clone(),
        execution_id: claims.execution_id,
        request_hash: claims.request_hash,
        rules_version: claims.rules_version,
        rules: claims.rules,
    };
    judge.acknowledged(binding, judged)
}

/// A reason may quote what it is about; secrets and personal data stay out of the log.
fn masked(reason: &str) -> String {
    let found = detect::scan(reason, &[Detection::Secret, Detection::Pii], MAX_MASKED);
    detect::redact(reason, &found.matches)
}
