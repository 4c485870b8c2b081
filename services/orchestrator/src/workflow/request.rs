//! Validates a request: every bound of the contract is checked here, once.

use crate::store::{NewRun, Owner};
use mcp_contracts::guardrails::{ActionRequest, VerdictKind};
use mcp_contracts::limits::{
    MAX_EXECUTION_ID_BYTES, MAX_FILES, MAX_IDEMPOTENCY_KEY_BYTES, MAX_INTENT_BYTES, MAX_PATH_BYTES, MAX_TEXT_BYTES,
    MAX_WORKFLOW_ROLE_BYTES, is_execution_id,
};
use mcp_contracts::orchestrator::{AgentName, RunWorkflow};
use mcp_contracts::{ErrorCode, Scope, ToolError};
use mcp_kit::verdict::request_hash;
use mcp_kit::{CallContext, ElicitationResponses, Verdicts};
use sha2::{Digest, Sha256};

/// A valid request.
#[derive(Debug, Clone)]
pub struct WorkflowRequest {
    pub agent: AgentName,
    /// What the guardrails check.
    pub action: ActionRequest,
    /// Hash of the action; a verdict is bound to it.
    pub hash: String,
    pub role: String,
    pub verdict: PriorVerdict,
    /// Idempotency key.
    pub key: Option<String>,
    /// The execution to continue.
    pub resumes: Option<String>,
}

/// The verdict that a call brings along.
#[derive(Debug, Clone)]
pub enum PriorVerdict {
    /// None: the guardrails are called.
    None,
    Acknowledged(String),
    /// The answer of the client's user to the workflow's question.
    Answered {
        token: String,
        /// Why the action proceeds; `None` if the user declined.
        reason: Option<String>,
    },
}

impl WorkflowRequest {
    pub fn new(context: &CallContext, request: RunWorkflow, verdicts: &Verdicts) -> Result<Self, ToolError> {
        bounded("intent", &request.intent, 1, MAX_INTENT_BYTES)?;
        bounded("text", &request.text, 0, MAX_TEXT_BYTES)?;
        if request.files.len() > MAX_FILES {
            let text = format!("`files` has {} paths; at most {MAX_FILES} are allowed", request.files.len());
            return Err(ToolError::new(ErrorCode::TooLarge, text));
        }
        request.files.iter().try_for_each(|file| bounded("files", file, 1, MAX_PATH_BYTES))?;
        let role = request.role.unwrap_or_else(|| context.claims.role.0.clone());
        bounded("role", &role, 1, MAX_WORKFLOW_ROLE_BYTES)?;
        if let Some(key) = &request.idempotency_key {
            bounded("idempotencyKey", key, 1, MAX_IDEMPOTENCY_KEY_BYTES)?;
        }
        request.execution_id.as_deref().map(execution_id).transpose()?;
        let action = ActionRequest {
            action: request.action,
            intent: request.intent,
            files: request.files,
            text: Some(request.text).filter(|text| !text.is_empty()),
        };
        let hash = request_hash(&action);
        let check = VerdictCheck { context, verdicts, hash: &hash };
        let (verdict, resumes) = match (&request.verdict_token, &request.execution_id, &context.elicitation.responses) {
            (Some(token), Some(execution), _) => (check.acknowledged(token, execution)?, Some(execution.clone())),
            (Some(_), None, _) => {
                return Err(invalid(
                    "`verdictToken` needs the `executionId` of the run that requested the acknowledgement",
                ));
            }
            (None, named, Some(elicited)) => {
                let (verdict, asked) = check.check_response(elicited)?;
                if named.is_some() && *named != asked {
                    return Err(not_accepted("the state of the answer is for another execution"));
                }
                (verdict, asked)
            }
            (None, named, None) => (PriorVerdict::None, named.clone()),
        };
        Ok(Self { agent: request.agent, action, hash, role, verdict, key: request.idempotency_key, resumes })
    }

    pub fn new_run(&self, context: &CallContext) -> NewRun {
        // Without the verdict, so that the call that brings an acknowledgement is still the same request. With the length of each
        // part, so that no byte can move from one part to the next.
        let mut request = Sha256::new();
        for part in [self.agent.name(), &self.role, &self.hash] {
            request.update((part.len() as u64).to_be_bytes());
            request.update(part);
        }
        NewRun {
            owner: Owner::of(&context.claims),
            id: self.resumes.clone().unwrap_or_else(|| context.execution_id.to_string()),
            resumed: self.resumes.is_some(),
            agent: self.agent,
            key: self.key.clone(),
            request: hex::encode(request.finalize()),
        }
    }
}

/// What a verdict must be bound to.
struct VerdictCheck<'a> {
    context: &'a CallContext,
    verdicts: &'a Verdicts,
    hash: &'a str,
}

impl VerdictCheck<'_> {
    fn acknowledged(&self, token: &str, execution: &str) -> Result<PriorVerdict, ToolError> {
        let claims = self.verdicts.check(Some(token), &self.context.claims.org_id, execution, self.hash)?;
        if claims.sub != self.context.claims.sub {
            return Err(not_accepted("it is for another user"));
        }
        match claims.kind {
            VerdictKind::Acknowledged => Ok(PriorVerdict::Acknowledged(token.to_owned())),
            VerdictKind::Allow | VerdictKind::Acknowledge => {
                Err(not_accepted("it was not acknowledged; if nothing has to be acknowledged, omit `verdictToken`"))
            }
        }
    }

    /// Checks the user's answer to a question. The state of the question passed through the client, so only its signature is trusted.
    fn check_response(&self, elicited: &ElicitationResponses) -> Result<(PriorVerdict, Option<String>), ToolError> {
        let claims = self.verdicts.open(&elicited.state, &self.context.claims.org_id)?;
        if claims.kind != VerdictKind::Acknowledge {
            return Err(not_accepted("the state of the answer does not belong to a question"));
        }
        if claims.sub != self.context.claims.sub {
            return Err(not_accepted("the state of the answer is for another user"));
        }
        if claims.request_hash != self.hash {
            return Err(not_accepted("the state of the answer is for another request"));
        }
        let content = elicited.accepted(super::QUESTION);
        let agreed = content.filter(|content| content.get("acknowledge") == Some(&serde_json::Value::Bool(true)));
        if agreed.is_some() {
            self.context.require(Scope::GuardrailsAcknowledge)?;
        }
        let reason = agreed
            .map(|content| content.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned());
        Ok((PriorVerdict::Answered { token: elicited.state.clone(), reason }, Some(claims.execution_id)))
    }
}

pub fn execution_id(id: &str) -> Result<(), ToolError> {
    if is_execution_id(id) {
        return Ok(());
    }
    Err(invalid(format!("`executionId` must be 1 to {MAX_EXECUTION_ID_BYTES} letters, digits, `-`, `_`, `.` or `:`")))
}

fn bounded(name: &str, text: &str, least: usize, most: usize) -> Result<(), ToolError> {
    if text.len() > most {
        let text = format!("`{name}` has {} bytes; at most {most} are allowed", text.len());
        return Err(ToolError::new(ErrorCode::TooLarge, text));
    }
    if least > 0 && text.trim().is_empty() {
        return Err(invalid(format!("`{name}` is empty")));
    }
    Ok(())
}

pub(crate) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorCode::InvalidArgument, message)
}

fn not_accepted(why: &str) -> ToolError {
    ToolError::new(ErrorCode::VerdictInvalid, format!("the verdict is not accepted: {why}"))
        .with_hint("run the request again without a verdict, and acknowledge the new one")
}
