//! The effect of the tools that decide and act: verdicts of the guardrails, injections of patterns, and workflows.

use super::sent::SentEffect;
use super::{fitting, malformed};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness_history::{Effect, Outcome, VerdictKind, Workflow, WorkflowEnd};
use mcp_contracts::guardrails::{self, ActionKind, Severity, VerdictClaims};
use mcp_contracts::orchestrator::{self, Execution, StepOutcome, WorkflowStatus};
use mcp_contracts::patterns::InjectedPattern;
use serde_json::Value;
use std::sync::Arc;

/// Reads the claims of a verdict token. It does not verify the signature; the services do that.
pub(crate) fn verdict_claims(token: &str) -> Option<VerdictClaims> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

pub(super) fn verdict(outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let token = match fitting::<guardrails::Verdict>(outcome, reply) {
        Ok(verdict) => verdict.verdict_token,
        Err(outcome) => return (outcome, Effect::None),
    };
    match token.as_deref().map(verdict_claims) {
        // A blocked action has no token.
        None => (Outcome::Ok, Effect::None),
        Some(None) => (malformed("a verdict token whose claims cannot be read"), Effect::None),
        Some(Some(claims)) => (Outcome::Ok, received(&claims)),
    }
}

fn received(claims: &VerdictClaims) -> Effect {
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
        user: claims.sub.as_str().into(),
        lifetime_s: Some(claims.exp.saturating_sub(claims.iat)),
    }
}

pub(super) fn inject(sent: &SentEffect, outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let injected = fitting::<InjectedPattern>(outcome, reply);
    let SentEffect::Inject { pattern, execution, request } = sent else {
        return (injected.map_or_else(|outcome| outcome, |_| Outcome::Ok), Effect::None);
    };
    let injected = injected.and_then(|injected| {
        let same = *injected.pattern_id == **pattern && *injected.execution_id == **execution;
        if same { Ok(injected) } else { Err(malformed("an injection of another pattern or execution than requested")) }
    });
    let (outcome, verdict) = match injected {
        Ok(injected) => (Outcome::Ok, Some(Arc::from(injected.verdict_id))),
        // The service may have injected the pattern all the same, so that the verdict which it names is judged.
        Err(outcome) => (outcome, verdict_id(reply)),
    };
    let (pattern, execution, request) = (Arc::clone(pattern), Arc::clone(execution), Arc::clone(request));
    (outcome, Effect::Inject { pattern, execution, request, verdict })
}

fn verdict_id(reply: Option<&str>) -> Option<Arc<str>> {
    let reply: Value = serde_json::from_str(reply?).ok()?;
    reply["verdictId"].as_str().map(Arc::from)
}

pub(super) fn workflow(sent: &SentEffect, outcome: &Outcome, reply: Option<&str>) -> (Outcome, Effect) {
    let execution = match fitting::<Execution>(outcome, reply) {
        Ok(execution) => execution,
        Err(outcome) => return (outcome, Effect::None),
    };
    let key = match sent {
        SentEffect::Workflow { key } => key.clone(),
        _ => None,
    };
    (Outcome::Ok, Effect::Workflow(ended(execution, key)))
}

fn ended(execution: Execution, key: Option<Arc<str>>) -> Workflow {
    let stood_in = execution.steps.iter().filter(|step| match step.outcome {
        StepOutcome::Fallback | StepOutcome::Failed => true,
        StepOutcome::Ok | StepOutcome::Skipped | StepOutcome::Deferred => false,
    });
    let name = |step: &orchestrator::Step| serde_json::to_value(step.step).ok()?.as_str().map(Arc::<str>::from);
    Workflow {
        execution: Some(execution.execution_id.as_str().into()),
        key,
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
    }
}

/// Returns true if a workflow with this action must not go on without a verdict.
const fn is_risky(action: ActionKind) -> bool {
    match action.risk() {
        Severity::Low | Severity::Medium => false,
        Severity::High | Severity::Critical => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::of;
    use crate::drive::canary::InternedNames;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use harness_history::{Effect, ErrorKind, Outcome};
    use serde_json::{Value, json};

    fn effect(tool: &str, arguments: &Value, reply: &Value) -> (Outcome, Effect) {
        of(tool, &arguments.to_string(), &Outcome::Ok, Some(&reply.to_string()), &InternedNames::default())
    }

    fn verdict(token: &str) -> Value {
        json!({
            "verdict": "allow", "rules": [], "requiresAcknowledgement": false, "verdictToken": token,
            "executionId": "e", "rulesVersion": "r", "rulesChecked": 3,
        })
    }

    #[test]
    fn a_verdict_has_its_user_and_its_lifetime_and_an_unreadable_token_is_malformed() {
        let claims = json!({
            "kind": "allow", "orgId": "acme", "sub": "ann", "executionId": "e", "requestHash": "h",
            "rulesVersion": "r", "exp": 1120, "iat": 1000, "jti": "v", "aud": "mcp-verdict",
        });
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let (outcome, received) = effect("check_guardrails", &json!({}), &verdict(&token));
        let Effect::Verdict { user, lifetime_s, .. } = received else { panic!("{received:?}") };
        assert_eq!((outcome, &*user, lifetime_s), (Outcome::Ok, "ann", Some(120)));
        let (outcome, _) = effect("check_guardrails", &json!({}), &verdict("not.a.token"));
        assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{outcome:?}");
    }

    #[test]
    fn an_injection_of_another_pattern_is_malformed_and_keeps_the_verdict_that_it_names() {
        let arguments =
            json!({ "patternId": "p", "executionId": "e", "request": { "action": "answer", "intent": "i" } });
        let mut reply = json!({
            "patternId": "p", "title": "t", "text": "x", "verdictId": "v", "executionId": "e", "catalogVersion": "c",
        });
        assert_eq!(effect("inject_pattern", &arguments, &reply).0, Outcome::Ok);
        for (name, other) in [("patternId", json!("q")), ("text", Value::Null)] {
            reply[name] = other;
            let (outcome, injected) = effect("inject_pattern", &arguments, &reply);
            let Effect::Inject { verdict, .. } = injected else { panic!("{injected:?}") };
            assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{outcome:?}");
            assert_eq!(verdict.as_deref(), Some("v"));
        }
    }
}
