//! `acknowledge_guardrails`: takes on the rules that a check found broken, for clients that cannot be asked within the check.

use super::{SCOPES, TAKES, validate};
use crate::acknowledge::{self, Taken};
use crate::judge::{Judge, Judged, told};
use crate::rules::{Broken, SubjectKind};
use mcp_contracts::guardrails::{AcknowledgeGuardrails, Decision, Verdict, VerdictKind, tool};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::{CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::ACKNOWLEDGE,
    title: "Acknowledge broken rules",
    description: "After a check answered `acknowledge` and a person has agreed: bring its `verdictToken` and the person's reason. \
                  Answers a token that lets exactly that request go on, once. Never call it without having asked a person.",
    annotations: TAKES,
    scopes: SCOPES,
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
        return refused("the verdict is for another user", "whoever asked acknowledges it");
    }
    match claims.kind {
        VerdictKind::Acknowledge => {}
        VerdictKind::Allow => return refused("the verdict already allows the action", "use it as it is"),
        VerdictKind::Acknowledged => return refused("it was acknowledged before", "use the token as it is"),
    }
    let rules = judge.rules(context);
    if claims.rules_version != rules.version {
        return refused("the rules have changed since the check", "check again, and acknowledge what is broken then");
    }
    let in_force = rules.set.rules().iter().filter(|rule| claims.rules.contains(&rule.compiled.rule.id));
    let mut broken: Vec<_> = in_force.map(|rule| told(&Broken { rule, places: Vec::new() })).collect();
    broken.sort_by_key(|rule| std::cmp::Reverse(rule.severity));
    let judged = Judged {
        decision: Decision::Acknowledge,
        broken,
        checked: rules.set.for_plan(context.claims.plan, SubjectKind::Action).count() as u32,
        version: rules.version.clone(),
    };
    acknowledge::take(judge, context, Taken { claims, reason, judged }).await
}
