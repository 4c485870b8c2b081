//! `acknowledge_guardrails`: acknowledges broken rules. It is for clients that cannot ask their user during the check.

use super::{SINGLE_USE, validate};
use crate::acknowledge::{self, Acknowledgement};
use crate::judge::{Judge, Judged, broken_rule};
use crate::rules::{RuleViolation, SubjectKind};
use mcp_contracts::guardrails::{AcknowledgeGuardrails, Decision, Verdict, VerdictKind, tool};
use mcp_contracts::{ErrorCode, Scope, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::ACKNOWLEDGE,
    title: "Acknowledge broken rules",
    description: "Call this after a check returned `acknowledge` and the user has agreed, with its `verdictToken` and the user's reason. \
                  Returns a token that allows exactly that request, once. Never call it without asking the user first.",
    annotations: SINGLE_USE,
    scopes: &[Scope::GuardrailsAcknowledge],
};

pub(super) fn tool(judge: Judge) -> Tool {
    Tool::new(INFO, move |context: CallContext, request: AcknowledgeGuardrails| {
        let judge = judge.clone();
        async move { acknowledge(&judge, &context, request).await }
    })
}

async fn acknowledge(
    judge: &Judge,
    context: &CallContext,
    request: AcknowledgeGuardrails,
) -> Result<Verdict, ToolError> {
    let reason = validate::reason(&request.reason)?.to_owned();
    let claims = judge.verdicts.open(&request.verdict_token, &context.claims.org_id)?;
    let refused = |why: &str, hint: &str| {
        Err(ToolError::new(ErrorCode::VerdictInvalid, format!("nothing was acknowledged: {why}")).with_hint(hint))
    };
    if claims.sub != context.claims.sub {
        return refused("the verdict is for another user", "the user who requested the check must acknowledge it");
    }
    match claims.kind {
        VerdictKind::Acknowledge => {}
        VerdictKind::Allow => {
            return refused("the verdict already allows the action", "use it without acknowledgement");
        }
        VerdictKind::Acknowledged => {
            return refused("the verdict was acknowledged before", "use this token for the action");
        }
    }
    let rules = judge.rules(context);
    if claims.rules_version != rules.version {
        return refused(
            "the rules have changed since the check",
            "call `check_guardrails` again and acknowledge that verdict",
        );
    }
    // The token has only the ids of the broken rules, so their texts come from the set, which has the same version.
    let in_force = rules.set.rules().iter().filter(|rule| claims.rules.contains(&rule.compiled.rule.id));
    let mut broken: Vec<_> = in_force.map(|rule| broken_rule(&RuleViolation { rule, places: Vec::new() })).collect();
    broken.sort_by_key(|rule| std::cmp::Reverse(rule.severity));
    let judged = Judged {
        decision: Decision::Acknowledge,
        broken,
        checked: rules.set.for_plan(context.claims.plan, SubjectKind::Action).count() as u32,
        version: rules.version.clone(),
    };
    acknowledge::acknowledge(judge, context, Acknowledgement { claims, reason, judged }).await
}
