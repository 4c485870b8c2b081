//! From what a caller sent to what a workflow runs: every bound of the contract is held here, once.

use crate::store::{NewRun, Owner};
use mcp_contracts::guardrails::{ActionRequest, VerdictKind};
use mcp_contracts::limits::MAX_IDEMPOTENCY_KEY_BYTES;
use mcp_contracts::orchestrator::{AgentName, RunWorkflow};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::verdict::request_hash;
use mcp_kit::{Answered, CallContext, Verdicts};
use sha2::{Digest, Sha256};

/// Longest intent, in bytes.
pub const MAX_INTENT_BYTES: usize = 4 << 10;
/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 256 << 10;
/// Most paths.
pub const MAX_FILES: usize = 1_000;
/// Longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 1 << 10;
/// Longest role, in bytes.
pub const MAX_ROLE_BYTES: usize = 128;
/// Longest execution id, in bytes.
const MAX_EXECUTION_ID_BYTES: usize = 128;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct WorkflowRequest {
    /// The agent.
    pub agent: AgentName,
    /// What the guardrails are asked about.
    pub action: ActionRequest,
    /// Its hash, which binds a verdict to it.
    pub hash: String,
    /// Role of the reader.
    pub role: String,
    /// What is known of a verdict already.
    pub verdict: PriorVerdict,
    /// What makes a repetition known.
    pub key: Option<String>,
    /// The execution that it goes on with.
    pub resumes: Option<String>,
}

/// What a call brings along of a verdict.
#[derive(Debug, Clone)]
pub enum PriorVerdict {
    /// Nothing: the guardrails are asked.
    None,
    /// An acknowledged token of an earlier run.
    Acknowledged(String),
    /// The answer of the client's user to our own question.
    Answered {
        /// Token of the verdict that has to be acknowledged.
        token: String,
        /// Why the action goes on nevertheless; `None` where the user does not want it to.
        reason: Option<String>,
    },
}

impl WorkflowRequest {
    /// Checks a request.
    ///
    /// # Errors
    /// Names the argument that does not do, or says why the verdict is not accepted.
    pub fn new(context: &CallContext, request: RunWorkflow, verdicts: &Verdicts) -> Result<Self, ToolError> {
        bounded("intent", &request.intent, 1, MAX_INTENT_BYTES)?;
        bounded("text", &request.text, 0, MAX_TEXT_BYTES)?;
        if request.files.len() > MAX_FILES {
            let text = format!("`files` has {} paths, {MAX_FILES} are allowed", request.files.len());
            return Err(ToolError::new(ErrorCode::TooLarge, text));
        }
        request.files.iter().try_for_each(|file| bounded("files", file, 1, MAX_PATH_BYTES))?;
        let role = request.role.unwrap_or_else(|| context.claims.role.0.clone());
        bounded("role", &role, 1, MAX_ROLE_BYTES)?;
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
        let (verdict, resumes) = match (&request.verdict_token, &request.execution_id, &context.dialogue.answered) {
            (Some(token), Some(execution), _) => (check.acknowledged(token, execution)?, Some(execution.clone())),
            (Some(_), None, _) => {
                return Err(invalid("`verdictToken` needs the `executionId` of the run that asked for it"));
            }
            (None, None, Some(answered)) => check.answered(answered)?,
            (None, _, None) | (None, Some(_), Some(_)) => (PriorVerdict::None, request.execution_id.clone()),
        };
        Ok(Self { agent: request.agent, action, hash, role, verdict, key: request.idempotency_key, resumes })
    }

    /// What the store is asked before it begins.
    pub fn new_run(&self, context: &CallContext) -> NewRun {
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

/// What a verdict must be for.
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
                Err(not_accepted("it was not acknowledged; where nothing is to be acknowledged, leave it out"))
            }
        }
    }

    /// The state of a question travelled through the client, so it is believed only as far as it is signed.
    fn answered(&self, answered: &Answered) -> Result<(PriorVerdict, Option<String>), ToolError> {
        let claims = self.verdicts.open(&answered.state, &self.context.claims.org_id)?;
        if claims.kind != VerdictKind::Acknowledge {
            return Err(not_accepted("the state of the answer is not that of a question"));
        }
        if claims.sub != self.context.claims.sub {
            return Err(not_accepted("the state of the answer is for another user"));
        }
        if claims.request_hash != self.hash {
            return Err(not_accepted("the state of the answer is for another request"));
        }
        let content = answered.accepted(super::QUESTION);
        let agreed = content.filter(|content| content.get("acknowledge") == Some(&serde_json::Value::Bool(true)));
        let reason = agreed
            .map(|content| content.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned());
        Ok((PriorVerdict::Answered { token: answered.state.clone(), reason }, Some(claims.execution_id)))
    }
}

/// Checks the id of an execution.
///
/// # Errors
/// It cannot be one of ours.
pub fn execution_id(id: &str) -> Result<(), ToolError> {
    let usable = (1..=MAX_EXECUTION_ID_BYTES).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    if usable {
        return Ok(());
    }
    Err(invalid(format!("`executionId` must be 1 to {MAX_EXECUTION_ID_BYTES} letters, digits, `-`, `_`, `.` or `:`")))
}

fn bounded(name: &str, text: &str, least: usize, most: usize) -> Result<(), ToolError> {
    if text.len() > most {
        let text = format!("`{name}` has {} bytes, {most} are allowed", text.len());
        return Err(ToolError::new(ErrorCode::TooLarge, text));
    }
    if least > 0 && text.trim().is_empty() {
        return Err(invalid(format!("`{name}` is empty")));
    }
    Ok(())
}

/// An argument that does not do.
pub(crate) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorCode::InvalidArgument, message)
}

fn not_accepted(why: &str) -> ToolError {
    ToolError::new(ErrorCode::VerdictInvalid, format!("the verdict is not accepted: {why}"))
        .with_hint("run the request again without a verdict, and acknowledge the new one")
}
