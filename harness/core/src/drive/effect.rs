//! What a call did or saw, read from its arguments and its reply: the part of it that checks follow. Pure.

use crate::drive::canary::seen;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness_history::{Effect, ErrorKind, Outcome, RecordState, VerdictKind, Workflow, WorkflowEnd};
use mcp_contracts::guardrails::{self, ActionKind, ActionRequest, Severity, VerdictClaims};
use mcp_contracts::orchestrator::{self, Execution, StepOutcome, WorkflowStatus};
use mcp_contracts::{memory, patterns};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The effect of a tool call, and its outcome: `not_found` is an answer to a read, not an error.
pub fn of(tool: &str, arguments: &Value, outcome: &Outcome, reply: &Value) -> (Outcome, Effect) {
    let ok = *outcome == Outcome::Ok;
    let text = |value: &Value| value.as_str().map(Arc::<str>::from);
    let effect = match tool {
        memory::tool::STORE => match arguments["content"].as_str() {
            Some(content) => {
                Effect::Write { key: text(&reply["id"]).filter(|_| ok), value: seen(content), existing: false }
            }
            None => Effect::None,
        },
        memory::tool::UPDATE => match (text(&arguments["id"]), arguments["content"].as_str()) {
            (Some(key), Some(content)) => Effect::Update { key, value: seen(content), expected: None },
            _ => Effect::None,
        },
        memory::tool::DELETE => text(&arguments["id"]).map_or(Effect::None, |key| Effect::Delete { key }),
        memory::tool::GET => return read(arguments, outcome, reply),
        memory::tool::SEARCH if ok => scan(&reply["hits"]),
        memory::tool::LIST | memory::tool::EXPORT if ok => scan(&reply["memories"]),
        memory::tool::IMPORT if ok => import(arguments, reply),
        guardrails::tool::CHECK
        | guardrails::tool::ACKNOWLEDGE
        | guardrails::tool::VALIDATE_COMMIT
        | guardrails::tool::VALIDATE_DB_OPERATION
            if ok =>
        {
            reply["verdictToken"].as_str().and_then(verdict_claims).map_or(Effect::None, |claims| verdict(&claims))
        }
        patterns::tool::INJECT => inject(arguments, reply),
        orchestrator::tool::RUN_WORKFLOW if ok => workflow(arguments, reply),
        _ => Effect::None,
    };
    (outcome.clone(), effect)
}

fn read(arguments: &Value, outcome: &Outcome, reply: &Value) -> (Outcome, Effect) {
    let Some(key) = arguments["id"].as_str().map(Arc::<str>::from) else { return (outcome.clone(), Effect::None) };
    match outcome {
        Outcome::Ok => (Outcome::Ok, Effect::Read { key, value: reply["content"].as_str().map(seen) }),
        Outcome::Failed(ErrorKind::Tool(code)) if **code == *"not_found" => {
            (Outcome::Ok, Effect::Read { key, value: None })
        }
        Outcome::Failed(_) | Outcome::Unknown(_) => (outcome.clone(), Effect::None),
    }
}

fn scan(memories: &Value) -> Effect {
    let hit = |memory: &Value| Some((Arc::<str>::from(memory["id"].as_str()?), seen(memory["content"].as_str()?)));
    Effect::Scan { hits: memories.as_array().into_iter().flatten().filter_map(hit).collect(), query: None }
}

fn import(arguments: &Value, reply: &Value) -> Effect {
    let ids = reply["ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let memories = arguments["memories"].as_array().into_iter().flatten();
    let contents = memories.map(|memory| memory["content"].as_str().unwrap_or_default());
    let records: Vec<(Arc<str>, RecordState)> =
        ids.zip(contents).map(|(id, content)| (id.into(), seen(content))).collect();
    if records.is_empty() { Effect::None } else { Effect::Writes { records } }
}

/// What a verdict token claims; its signature is the services' business.
pub fn verdict_claims(token: &str) -> Option<VerdictClaims> {
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

/// Tells whether nothing stands in for a verdict on it.
const fn is_risky(action: ActionKind) -> bool {
    match action.risk() {
        Severity::Low | Severity::Medium => false,
        Severity::High | Severity::Critical => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, ErrorKind, Outcome, of};
    use serde_json::json;

    #[test]
    fn a_write_is_known_by_its_content_and_once_it_is_acknowledged_by_its_id() {
        let arguments = json!({ "content": "a canary:acme/ann/p/1" });
        let (_, Effect::Write { key, value, .. }) = of("store_memory", &arguments, &Outcome::Ok, &json!({ "id": "k" }))
        else {
            panic!("no write")
        };
        assert_eq!((key.as_deref(), value.canary.unwrap().number), (Some("k"), 1));
        let lost = Outcome::Unknown(ErrorKind::Timeout);
        let (outcome, Effect::Write { key: None, .. }) = of("store_memory", &arguments, &lost, &json!(null)) else {
            panic!("no write")
        };
        assert_eq!(outcome, lost);
    }

    #[test]
    fn what_is_not_there_is_an_answer_to_a_read() {
        let refused = Outcome::Failed(ErrorKind::Tool("not_found".into()));
        let (outcome, effect) = of("get_memory", &json!({ "id": "k" }), &refused, &json!(null));
        assert_eq!((outcome, effect), (Outcome::Ok, Effect::Read { key: "k".into(), value: None }));
        let refused = Outcome::Failed(ErrorKind::Tool("not_found".into()));
        assert_eq!(of("delete_memory", &json!({ "id": "k" }), &refused, &json!(null)).0, refused);
    }

    #[test]
    fn a_call_that_no_check_follows_has_no_effect() {
        assert_eq!(of("memory_stats", &json!({}), &Outcome::Ok, &json!({ "private": 1 })).1, Effect::None);
        assert_eq!(of("run_workflow", &json!({}), &Outcome::Ok, &json!({ "surprise": 1 })).1, Effect::None);
    }
}
