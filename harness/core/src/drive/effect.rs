//! Derives the effect of a tool call from its arguments and its reply: the records, verdicts, injections and workflows that checks judge.
//! No I/O.

mod record;

use crate::drive::canary::{Names, state_of};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness_history::{Effect, Outcome, RecordState, VerdictKind, Workflow, WorkflowEnd};
use mcp_contracts::guardrails::{self, ActionKind, ActionRequest, Severity, VerdictClaims};
use mcp_contracts::orchestrator::{self, Execution, StepOutcome, WorkflowStatus};
use mcp_contracts::{memory, patterns};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Returns the outcome and the effect of a tool call. The outcome can differ from `outcome`: `not_found` is a valid answer to a read, and a
/// reply that does not fit the tool is malformed. `arguments` and `reply` (the structured content) are JSON texts, because a load never
/// builds a tree of its replies.
pub(crate) fn of(
    tool: &str,
    arguments: &str,
    outcome: &Outcome,
    reply: Option<&str>,
    names: &Names,
) -> (Outcome, Effect) {
    match tool {
        memory::tool::STORE => return record::store(arguments, outcome, reply, names),
        memory::tool::UPDATE => return record::update(arguments, outcome, reply, names),
        memory::tool::GET => return record::get(arguments, outcome, reply, names),
        memory::tool::SEARCH | memory::tool::LIST | memory::tool::EXPORT => {
            return record::scan(arguments, outcome, reply, names);
        }
        memory::tool::DELETE => return (outcome.clone(), record::delete(arguments)),
        _ => {}
    }
    let ok = *outcome == Outcome::Ok;
    let tree = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let reply = || reply.map(tree).unwrap_or_default();
    let effect = match tool {
        memory::tool::IMPORT if ok => import(&tree(arguments), &reply(), names),
        guardrails::tool::CHECK
        | guardrails::tool::ACKNOWLEDGE
        | guardrails::tool::VALIDATE_COMMIT
        | guardrails::tool::VALIDATE_DB_OPERATION
            if ok =>
        {
            // From the claims of the token and not from the reply, because services act on the claims (decision 0011).
            reply()["verdictToken"].as_str().and_then(verdict_claims).map_or(Effect::None, |claims| verdict(&claims))
        }
        // Recorded for a refused call as well, because `no-injection-without-verdict` counts attempts.
        patterns::tool::INJECT => inject(&tree(arguments), &reply()),
        orchestrator::tool::RUN_WORKFLOW if ok => workflow(&tree(arguments), &reply()),
        _ => Effect::None,
    };
    (outcome.clone(), effect)
}

fn import(arguments: &Value, reply: &Value, names: &Names) -> Effect {
    let ids = reply["ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let memories = arguments["memories"].as_array().into_iter().flatten();
    let contents = memories.map(|memory| memory["content"].as_str().unwrap_or_default());
    // The reply has one id for each memory of the request.
    let records: Vec<(Arc<str>, RecordState)> =
        ids.zip(contents).map(|(id, content)| (id.into(), state_of(content, names))).collect();
    if records.is_empty() { Effect::None } else { Effect::Writes { records } }
}

/// Reads the claims of a verdict token without verifying its signature. The services verify signatures.
pub(crate) fn verdict_claims(token: &str) -> Option<VerdictClaims> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn verdict(claims: &VerdictClaims) -> Effect {
    Effect::Verdict {
        verdict: claims.jti.as_str().into(),
        kind: match claims.kind {
            guardrails::VerdictKind::Allow => VerdictKind::Allow,
            guardrails::VerdictKind::Acknowledge => VerdictKind::Acknowledge,
            guardrails::VerdictKind::Acknowledged => VerdictKind::Acknowledged,
        },
        execution: claims.execution_id.as_str().into(),
        request: claims.request_hash.as_str().into(),
        rules: claims.rules_version.as_str().into(),
    }
}

fn inject(arguments: &Value, reply: &Value) -> Effect {
    let text = |value: &Value| Arc::<str>::from(value.as_str().unwrap_or_default());
    // Hashed here, from the request that was sent, because a check must not rely on what the service says about it.
    let request = serde_json::from_value::<ActionRequest>(arguments["request"].clone());
    let hash = request.map(|request| hex::encode(Sha256::digest(request.canonical()))).unwrap_or_default();
    Effect::Inject {
        pattern: text(&arguments["patternId"]),
        execution: text(&arguments["executionId"]),
        request: hash.into(),
        verdict: reply["verdictId"].as_str().map(Arc::from),
    }
}

fn workflow(arguments: &Value, reply: &Value) -> Effect {
    let Ok(execution) = serde_json::from_value::<Execution>(reply.clone()) else { return Effect::None };
    let stood_in = execution.steps.iter().filter(|step| match step.outcome {
        StepOutcome::Fallback | StepOutcome::Failed => true,
        StepOutcome::Ok | StepOutcome::Skipped | StepOutcome::Deferred => false,
    });
    let name = |step: &orchestrator::Step| serde_json::to_value(step.step).ok()?.as_str().map(Arc::<str>::from);
    Effect::Workflow(Workflow {
        execution: Some(execution.execution_id.as_str().into()),
        key: arguments["idempotencyKey"].as_str().map(Arc::from),
        status: match execution.status {
            WorkflowStatus::Completed => WorkflowEnd::Completed,
            WorkflowStatus::Degraded => WorkflowEnd::Degraded,
            WorkflowStatus::Blocked => WorkflowEnd::Blocked,
            WorkflowStatus::AcknowledgementRequired => WorkflowEnd::AcknowledgementRequired,
        },
        risky: is_risky(execution.action),
        fallbacks: stood_in.filter_map(name).collect(),
        reasons: execution.reasons.iter().map(|reason| reason.name().into()).collect(),
        verdict: execution.verdict.map(|verdict| verdict.name().into()),
        rules: execution.rules_version.map(Arc::from),
        pattern: execution.pattern.as_ref().map(|pattern| pattern.id.as_str().into()),
        injected: execution.pattern.map(|pattern| pattern.verdict_id.into()),
    })
}

/// Returns true if a workflow with this action must be blocked when there is no verdict.
const fn is_risky(action: ActionKind) -> bool {
    match action.risk() {
        Severity::Low | Severity::Medium => false,
        Severity::High | Severity::Critical => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, Names, Outcome, of};

    #[test]
    fn a_call_that_no_check_follows_has_no_effect() {
        let effect = |tool, reply| of(tool, "{}", &Outcome::Ok, Some(reply), &Names::default()).1;
        assert_eq!(effect("memory_stats", r#"{"private":1}"#), Effect::None);
        assert_eq!(effect("run_workflow", r#"{"surprise":1}"#), Effect::None);
    }
}
