//! `check_guardrails`: checks an action against the rules. If a user must acknowledge broken rules and the client can ask its user, the call
//! returns `input_required` with a question, and the client repeats the call with the answer.

use super::{READ_ONLY, SCOPES, validate};
use crate::acknowledge::{self, Acknowledgement};
use crate::judge::{Judge, cost_of_files, judge, verdict};
use crate::rules::Subject;
use mcp_contracts::guardrails::{ActionRequest, CheckGuardrails, Decision, Verdict, VerdictClaims, VerdictKind, tool};
use mcp_contracts::limits::REASON_CHARS;
use mcp_contracts::{ErrorCode, Scope, ToolError};
use mcp_kit::verdict::request_hash;
use mcp_kit::{CallContext, Elicitation, ElicitationResponses, Tool, ToolInfo, ToolOutcome};
use serde_json::json;
use std::fmt::Write;

const INFO: ToolInfo = ToolInfo {
    name: tool::CHECK,
    title: "Check an action against the rules",
    description: "Call this before a risky action (commit, database, deploy, delete, a request to an external service), with the exact \
                  text that you are about to write, run or send in `text`. Returns a verdict. `allow`: continue, and pass the \
                  `verdictToken` to tools that require one. `acknowledge`: continue only after the user has acknowledged the broken \
                  rules. `block`: do not act; follow the remediation.",
    annotations: READ_ONLY,
    scopes: SCOPES,
};

/// Key of the question that asks the user to acknowledge broken rules.
pub const QUESTION: &str = "acknowledgement";
/// Maximum number of rules that a question lists.
const MAX_LISTED: usize = 10;

pub(super) fn tool(judge: Judge) -> Tool {
    Tool::with_elicitation(INFO, move |context: CallContext, request: CheckGuardrails| {
        let judge = judge.clone();
        async move { check(&judge, &context, request).await }
    })
}

async fn check(
    judge: &Judge,
    context: &CallContext,
    request: CheckGuardrails,
) -> Result<ToolOutcome<Verdict>, ToolError> {
    validate::intent("intent", &request.intent)?;
    validate::files(request.files.iter().map(String::as_str))?;
    validate::text("text", request.text.as_deref().map_or(0, str::len))?;
    let execution_id = validate::execution_id(request.execution_id.as_deref(), context)?;
    let (execution, action) = (request.execution_id.clone(), request.request());
    let text = request.text.as_deref().map_or(0, str::len);
    let bytes = text + request.intent.len() + cost_of_files(request.files.iter().map(String::as_str));
    let checked = action.clone();
    let judged =
        judge.judged(context, bytes, move |rules, plan| self::judge(rules, plan, &[Subject::of_request(&checked)]));
    let judged = judged.await?;
    if let Some(elicited) = &context.elicitation.responses {
        let claims = check_state(judge, context, elicited, &action, execution.as_deref())?;
        // Fewer broken rules than in the question are covered by the user's answer; a new one is not.
        let same_rules = judged.broken.iter().all(|rule| claims.rules.contains(&rule.id));
        if judged.decision == Decision::Acknowledge && same_rules {
            let Some(reason) = consent(elicited)? else {
                // The user did not acknowledge: the verdict has no token, so the action cannot continue.
                return Ok(ToolOutcome::Complete(verdict(&claims.execution_id, judged, None)));
            };
            context.require(Scope::GuardrailsAcknowledge)?;
            let acknowledgement = Acknowledgement { claims, reason, judged };
            return acknowledge::acknowledge(judge, context, acknowledgement).await.map(ToolOutcome::Complete);
        }
        // The rules have changed since the question, and with them the result. The answer does not cover it, so the user is asked again.
        let reply = judge.conclude(context, &claims.execution_id, &action, judged)?;
        return Ok(ask(context, reply));
    }
    let reply = judge.conclude(context, &execution_id, &action, judged)?;
    Ok(ask(context, reply))
}

/// Returns the claims of the state that the client sent back. Fails unless it was issued with a question for this user and request.
fn check_state(
    judge: &Judge,
    context: &CallContext,
    elicited: &ElicitationResponses,
    action: &ActionRequest,
    execution: Option<&str>,
) -> Result<VerdictClaims, ToolError> {
    let claims = judge.verdicts.open(&elicited.state, &context.claims.org_id)?;
    let foreign = |why: &str| {
        Err(ToolError::new(ErrorCode::VerdictInvalid, format!("the answer is not accepted: its state is {why}"))
            .with_hint("call again without `requestState` and answer the new question"))
    };
    if claims.kind != VerdictKind::Acknowledge {
        return foreign("not that of a question");
    }
    if claims.sub != context.claims.sub {
        return foreign("for another user");
    }
    // A repeated call without an id has an execution of its own, so only an id in the arguments is compared.
    if execution.is_some_and(|execution| execution != claims.execution_id) {
        return foreign("for another execution");
    }
    if claims.request_hash != request_hash(action) {
        return foreign("for another request");
    }
    Ok(claims)
}

/// Returns the user's reason; `None` if the user did not acknowledge. Fails if the reason is too short or too long.
fn consent(elicited: &ElicitationResponses) -> Result<Option<String>, ToolError> {
    let Some(content) = elicited.accepted(QUESTION) else { return Ok(None) };
    if content.get("acknowledge") != Some(&json!(true)) {
        return Ok(None);
    }
    let reason = content.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default();
    validate::reason(reason).map(|reason| Some(reason.to_owned()))
}

/// Returns a question if the verdict needs acknowledgement, the client can ask its user, and the token may acknowledge; else the verdict.
fn ask(context: &CallContext, reply: Verdict) -> ToolOutcome<Verdict> {
    let supports_elicitation =
        context.elicitation.supports_elicitation && context.claims.allows(Scope::GuardrailsAcknowledge);
    match &reply.verdict_token {
        Some(state) if supports_elicitation && reply.verdict == Decision::Acknowledge => {
            ToolOutcome::InputRequired(Elicitation {
                key: QUESTION,
                message: message(&reply),
                schema: json!({
                    "type": "object",
                    "properties": {
                        "acknowledge": { "type": "boolean", "title": "Continue anyway" },
                        "reason": {
                            "type": "string", "title": "Reason", "minLength": REASON_CHARS.start(), "maxLength": REASON_CHARS.end(),
                            "description": "The reason is logged with the rules.",
                        },
                    },
                    "required": ["acknowledge"],
                }),
                // The signed verdict is the state, so that the service keeps nothing between the two calls.
                state: state.clone(),
            })
        }
        Some(_) | None => ToolOutcome::Complete(reply),
    }
}

fn message(reply: &Verdict) -> String {
    let mut text = "The action breaks rules that you must acknowledge before it continues:".to_owned();
    for rule in reply.rules.iter().take(MAX_LISTED) {
        let (id, severity) = (&rule.id, rule.severity.name());
        let _ = write!(text, "\n- {id} ({severity}) {}: {} {}", rule.title, rule.message, rule.remediation);
        if !rule.places.is_empty() {
            let _ = write!(text, " Found in {}.", rule.places.join("; "));
        }
    }
    if reply.rules.len() > MAX_LISTED {
        let _ = write!(text, "\n- and {} more", reply.rules.len() - MAX_LISTED);
    }
    text
}
