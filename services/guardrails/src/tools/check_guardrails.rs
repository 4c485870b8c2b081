//! `check_guardrails`: asks whether an action may go on. A client of the newer era is asked to acknowledge within the call: it answers
//! `input_required`, and the client repeats the call with its user's answer.

use super::{LOOKS, SCOPES, validate};
use crate::acknowledge::{self, Taken};
use crate::judge::{Judge, judge, verdict};
use crate::rules::Subject;
use mcp_contracts::guardrails::{ActionRequest, CheckGuardrails, Decision, Verdict, VerdictClaims, VerdictKind, tool};
use mcp_contracts::limits::REASON_CHARS;
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::verdict::request_hash;
use mcp_kit::{Answer, Answered, CallContext, Question, Tool, ToolInfo};
use serde_json::json;
use std::fmt::Write;

const INFO: ToolInfo = ToolInfo {
    name: tool::CHECK,
    title: "Check an action against the rules",
    description: "Call this before a risky action (commit, database, deploy, delete, a request to a service outside) with what you are \
                  about to write, run or send in `text`. `allow`: go on, with the `verdictToken` for tools that demand one. \
                  `acknowledge`: go on only after a person has acknowledged the rules. `block`: do not; follow the remediation.",
    annotations: LOOKS,
    scopes: SCOPES,
};

/// Key of the question whether somebody takes the broken rules on.
pub const QUESTION: &str = "acknowledgement";
/// Most rules that a question lists.
const MAX_LISTED: usize = 10;

pub(super) fn tool(judge: Judge) -> Tool {
    Tool::asking(INFO, move |context: CallContext, request: CheckGuardrails| {
        let judge = judge.clone();
        async move { check(&judge, &context, request).await }
    })
}

async fn check(judge: &Judge, context: &CallContext, request: CheckGuardrails) -> Result<Answer<Verdict>, ToolError> {
    validate::intent("intent", &request.intent)?;
    validate::files(request.files.iter().map(String::as_str))?;
    validate::text("text", request.text.as_deref().map_or(0, str::len))?;
    let execution_id = validate::execution_id(request.execution_id.as_deref(), context)?;
    let (named, action) = (request.execution_id.clone(), request.request());
    let bytes = request.text.as_deref().map_or(0, str::len);
    let asked = action.clone();
    let judged =
        judge.judged(context, bytes, move |rules, plan| self::judge(rules, plan, &[Subject::of_request(&asked)]));
    let judged = judged.await?;
    if let Some(answered) = &context.dialogue.answered {
        let claims = state(judge, context, answered, &action, named.as_deref())?;
        let known = judged.broken.iter().all(|rule| claims.rules.contains(&rule.id));
        if judged.decision == Decision::Acknowledge && known {
            let Some(reason) = consent(answered)? else {
                // Nobody took it on: the verdict stands, and without a token nothing can be done with it.
                return Ok(Answer::Complete(verdict(&claims.execution_id, judged, None)));
            };
            let taken = Taken { claims, reason, judged };
            return acknowledge::take(judge, context, taken).await.map(Answer::Complete);
        }
        // The rules have changed since the question, so the answer is to another one: judge anew.
        let reply = judge.conclude(context, &claims.execution_id, &action, judged)?;
        return Ok(ask(context, reply));
    }
    let reply = judge.conclude(context, &execution_id, &action, judged)?;
    Ok(ask(context, reply))
}

/// What the question's state says, if it is ours and for this very request.
fn state(
    judge: &Judge,
    context: &CallContext,
    answered: &Answered,
    action: &ActionRequest,
    named: Option<&str>,
) -> Result<VerdictClaims, ToolError> {
    let claims = judge.verdicts.open(&answered.state, &context.claims.org_id)?;
    let foreign = |why: &str| {
        Err(ToolError::new(ErrorCode::VerdictInvalid, format!("the answer is not accepted: its state is {why}"))
            .with_hint("call again without `requestState`, and answer the new question"))
    };
    if claims.kind != VerdictKind::Acknowledge {
        return foreign("not that of a question");
    }
    if claims.sub != context.claims.sub {
        return foreign("for another user");
    }
    if named.is_some_and(|named| named != claims.execution_id) {
        return foreign("for another execution");
    }
    if claims.request_hash != request_hash(action) {
        return foreign("for another request");
    }
    Ok(claims)
}

/// The reason with which the user takes the rules on; `None` where the user does not.
fn consent(answered: &Answered) -> Result<Option<String>, ToolError> {
    let Some(content) = answered.accepted(QUESTION) else { return Ok(None) };
    if content.get("acknowledge") != Some(&json!(true)) {
        return Ok(None);
    }
    let reason = content.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default();
    validate::reason(reason).map(|reason| Some(reason.to_owned()))
}

/// Asks where the client can ask, and the verdict needs it.
fn ask(context: &CallContext, reply: Verdict) -> Answer<Verdict> {
    match &reply.verdict_token {
        Some(state) if context.dialogue.can_ask && reply.verdict == Decision::Acknowledge => Answer::Ask(Question {
            key: QUESTION,
            message: message(&reply),
            schema: json!({
                "type": "object",
                "properties": {
                    "acknowledge": { "type": "boolean", "title": "Go on nevertheless" },
                    "reason": {
                        "type": "string", "title": "Why", "minLength": REASON_CHARS.start(), "maxLength": REASON_CHARS.end(),
                        "description": "It is logged with the rules.",
                    },
                },
                "required": ["acknowledge"],
            }),
            state: state.clone(),
        }),
        Some(_) | None => Answer::Complete(reply),
    }
}

fn message(reply: &Verdict) -> String {
    let mut text = "The action breaks rules that a person must acknowledge before it goes on:".to_owned();
    for rule in reply.rules.iter().take(MAX_LISTED) {
        let (id, severity) = (&rule.id, rule.severity.name());
        let _ = write!(text, "\n- {id} ({severity}) {}: {} {}", rule.title, rule.message, rule.remediation);
        if !rule.places.is_empty() {
            let _ = write!(text, " Seen in {}.", rule.places.join("; "));
        }
    }
    if reply.rules.len() > MAX_LISTED {
        let _ = write!(text, "\n- and {} more", reply.rules.len() - MAX_LISTED);
    }
    text
}
