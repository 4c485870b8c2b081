//! Acknowledges a verdict on behalf of a user. A verdict can be acknowledged once over all instances. The log names the user and the reason,
//! but never the text of the action.

use crate::detect;
use crate::judge::{Judge, Judged};
use mcp_contracts::ToolError;
use mcp_contracts::guardrails::{Detection, Verdict, VerdictClaims};
use mcp_kit::CallContext;
use mcp_kit::verdict::Binding;

/// Maximum number of matches that are masked in a reason.
const MAX_MASKED: usize = 100;

pub(crate) struct Acknowledgement {
    pub(crate) claims: VerdictClaims,
    pub(crate) reason: String,
    pub(crate) judged: Judged,
}

/// Uses the verdict up and signs the acknowledged one.
pub(crate) async fn acknowledge(
    judge: &Judge,
    context: &CallContext,
    acknowledgement: Acknowledgement,
) -> Result<Verdict, ToolError> {
    let Acknowledgement { claims, reason, judged } = acknowledgement;
    // First, because nothing may be logged or signed for a verdict that was used before.
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

/// Masks secrets and personal data, because a reason may quote the text of the action and is logged.
fn masked(reason: &str) -> String {
    let scan = detect::scan(reason, &[Detection::Secret, Detection::Pii], MAX_MASKED);
    detect::redact(reason, &scan.matches)
}
