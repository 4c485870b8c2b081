//! Replies of the orchestrator.

use super::AgentName;
use crate::guardrails::{ActionKind, BrokenRule, Decision};
use crate::memory::Visibility;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a workflow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowStatus {
    /// Every step succeeded.
    Completed,
    /// A dependency was not available and its fallback was used; `reasons` names it.
    Degraded,
    /// The rules forbid the action, or the guardrails gave no verdict and the action is too risky without one.
    Blocked,
    /// A user must acknowledge broken rules first: acknowledge the verdict token, then repeat the request with the new token.
    AcknowledgementRequired,
}

/// Why a workflow is degraded or blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Guardrails are down, or the check ended without a valid verdict.
    GuardrailUnavailable,
    /// Guardrails blocked the action.
    GuardrailBlocked,
    /// Memory did not answer in time.
    MemoryUnavailable,
    /// Patterns did not answer in time.
    PatternsUnavailable,
    /// The patterns service did not accept the verdict.
    VerdictRefused,
    /// The model did not answer in time or its answer was not usable; the template was used.
    LlmUnavailable,
    /// The plan's budget for models is used up; the template was used.
    LlmBudget,
    /// The organisation's quota at a peer is used up.
    QuotaExceeded,
    /// The deadline of the workflow ended a step.
    DeadlineExceeded,
}

impl Reason {
    /// The name in replies, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GuardrailUnavailable => "guardrail_unavailable",
            Self::GuardrailBlocked => "guardrail_blocked",
            Self::MemoryUnavailable => "memory_unavailable",
            Self::PatternsUnavailable => "patterns_unavailable",
            Self::VerdictRefused => "verdict_refused",
            Self::LlmUnavailable => "llm_unavailable",
            Self::LlmBudget => "llm_budget",
            Self::QuotaExceeded => "quota_exceeded",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }
}

/// A step of a workflow, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// Requests a verdict from the guardrails.
    Guardrails,
    /// Fetches context from memory.
    Memory,
    /// Selects a pattern.
    SelectPattern,
    /// Injects the pattern.
    InjectPattern,
    /// Runs the agent.
    Execute,
    /// Logs usage to patterns.
    LogUsage,
    /// Stores the outcome in memory.
    Remember,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The step succeeded.
    Ok,
    /// The fallback was used.
    Fallback,
    /// The step was not needed.
    Skipped,
    /// The step failed and has no fallback.
    Failed,
    /// The step is queued and will be done later.
    Deferred,
}

/// Result of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Name of the step.
    pub step: StepName,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Source of the result, such as `guardrails`, `memory`, `template`, `model`, `static_context`, `outbox`.
    pub source: String,
    /// Duration in milliseconds.
    pub duration_ms: f64,
    /// Number of attempts; 0 if no peer was called.
    pub attempts: u32,
    /// Detail, such as the code of an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Use of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelUsage {
    /// Name of the model.
    pub model: String,
    /// Number of prompt tokens.
    pub prompt_tokens: u64,
    /// Number of completion tokens.
    pub completion_tokens: u64,
    /// Cost in micro-dollars, at the configured prices.
    pub cost_micro_usd: u64,
}

/// A memory that was used as context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsedMemory {
    /// Id.
    pub id: String,
    /// First words of its content; empty for an administrator who may not read the memory.
    pub excerpt: String,
    /// Who may read it.
    #[serde(default)]
    pub visibility: Visibility,
}

/// The pattern that was injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsedPattern {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Text with the variables filled in.
    pub text: String,
    /// Id of the verdict that allowed it.
    pub verdict_id: String,
}

/// Result of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artefact {
    /// `root_cause_report`, `retrospective_plan` or `brief`.
    pub kind: String,
    /// `template`, or `model` if a model completed the template.
    pub written_by: String,
    /// The artefact as Markdown.
    pub markdown: String,
    /// The artefact as data; its form depends on the kind.
    pub data: serde_json::Value,
}

/// Reply of `run_workflow` and `get_execution`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// Id of the execution.
    pub execution_id: String,
    /// The agent.
    pub agent: AgentName,
    /// Kind of action.
    pub action: ActionKind,
    /// Purpose from the request.
    pub intent: String,
    /// How it ended.
    pub status: WorkflowStatus,
    /// Why it is degraded or blocked.
    pub reasons: Vec<Reason>,
    /// True if the same call may have a better result later.
    pub retryable: bool,
    /// Decision of the guardrails; omitted if they gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Decision>,
    /// Rules that the request breaks.
    pub rules: Vec<BrokenRule>,
    /// Version of the rules; omitted if the guardrails gave no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_version: Option<String>,
    /// Verdict token to acknowledge, if required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// Every step of the lifecycle.
    pub steps: Vec<Step>,
    /// Memories used as context.
    pub memories: Vec<UsedMemory>,
    /// Injected pattern; omitted if none was injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<UsedPattern>,
    /// Result of the agent; omitted if it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artefact: Option<Artefact>,
    /// Use of a model, if one was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ModelUsage>,
    /// Start time (RFC 3339, UTC).
    pub started_at: String,
    /// Duration in milliseconds.
    pub duration_ms: f64,
}

/// An execution in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSummary {
    /// Id of the execution.
    pub execution_id: String,
    /// The agent.
    pub agent: AgentName,
    /// Kind of action.
    pub action: ActionKind,
    /// How it ended.
    pub status: WorkflowStatus,
    /// Why it is degraded or blocked.
    pub reasons: Vec<Reason>,
    /// Start time (RFC 3339, UTC).
    pub started_at: String,
    /// Duration in milliseconds.
    pub duration_ms: f64,
}

/// Reply of `list_executions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionList {
    /// Executions of the caller, newest first.
    pub executions: Vec<ExecutionSummary>,
    /// Cursor of the next page; omitted on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Quota of the caller at one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceQuota {
    /// Name of the service.
    pub service: String,
    /// Calls allowed per day.
    pub limit: u64,
    /// Calls used today.
    pub used: u64,
    /// Calls remaining today.
    pub remaining: u64,
    /// Seconds until the day ends (UTC).
    pub reset_secs: u64,
}

/// Reply of [`super::QUOTA_PATH`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaPage {
    /// Organisation of the caller.
    pub org_id: String,
    /// Its plan.
    pub plan: crate::Plan,
    /// The counter that was read: `redis`, `local` or `fallback`. Without Redis, only the count of this service is
    /// available.
    pub mode: String,
    /// Calls by service.
    pub services: Vec<ServiceQuota>,
    /// Spent on models today, in micro-dollars.
    pub llm_used_micro_usd: u64,
    /// Daily budget for models, in micro-dollars.
    pub llm_limit_micro_usd: u64,
}
