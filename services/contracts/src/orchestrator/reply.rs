//! Replies of the orchestrator.

use super::AgentName;
use crate::guardrails::{ActionKind, BrokenRule, Decision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a workflow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowStatus {
    /// Everything took part.
    Completed,
    /// Something was missing and a declared fallback stood in; `reasons` says what.
    Degraded,
    /// The rules forbid it, or nobody could say that they do not.
    Blocked,
    /// Somebody must acknowledge broken rules first: acknowledge the verdict token, then run the same request again with it.
    AcknowledgementRequired,
}

/// Why a workflow is degraded or blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Guardrails did not answer in time, or not with a verdict.
    GuardrailUnavailable,
    /// Guardrails said no.
    GuardrailBlocked,
    /// Memory did not answer in time.
    MemoryUnavailable,
    /// Patterns did not answer in time.
    PatternsUnavailable,
    /// The patterns service did not accept the verdict.
    VerdictRefused,
    /// The model did not answer in time, or not usably; the template answered.
    LlmUnavailable,
    /// The plan's budget for models is used up; the template answered.
    LlmBudget,
    /// A peer refused because the organisation's quota there is used up.
    QuotaExceeded,
    /// The workflow's own deadline ended a step.
    DeadlineExceeded,
}

impl Reason {
    /// The word in replies, logs and metrics.
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

/// A step of the lifecycle, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// Asks the guardrails.
    Guardrails,
    /// Fetches context from memory.
    Memory,
    /// Selects a pattern.
    SelectPattern,
    /// Injects it.
    InjectPattern,
    /// Runs the agent.
    Execute,
    /// Logs usage to patterns.
    LogUsage,
    /// Remembers the outcome.
    Remember,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// As it should.
    Ok,
    /// A fallback stood in.
    Fallback,
    /// There was nothing to do.
    Skipped,
    /// It failed and nothing stood in.
    Failed,
    /// It is kept and will be done later.
    Deferred,
}

/// A step as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which one.
    pub step: StepName,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Who answered, such as `guardrails`, `memory`, `template`, `model`, `static_context`, `outbox`.
    pub source: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// How many attempts it took; 0 where nobody was asked.
    pub attempts: u32,
    /// What to know about it, such as the code of an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a model cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelUsage {
    /// Its name.
    pub model: String,
    /// Tokens that it read.
    pub prompt_tokens: u64,
    /// Tokens that it wrote.
    pub completion_tokens: u64,
    /// Cost in micro-dollars, by the configured prices.
    pub cost_micro_usd: u64,
}

/// A memory that was used as context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsedMemory {
    /// Its id.
    pub id: String,
    /// Its first words.
    pub excerpt: String,
}

/// The pattern that was injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsedPattern {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its text, filled in.
    pub text: String,
    /// Identity of the verdict that allowed it.
    pub verdict_id: String,
}

/// What an agent made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artefact {
    /// `root_cause_report`, `retrospective_plan` or `brief`.
    pub kind: String,
    /// `template`, or `model` where a model completed the template.
    pub written_by: String,
    /// The artefact as Markdown, for people.
    pub markdown: String,
    /// The same as data; its shape depends on the kind.
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
    /// What was to be achieved.
    pub intent: String,
    /// How it ended.
    pub status: WorkflowStatus,
    /// Why it is degraded or blocked.
    pub reasons: Vec<Reason>,
    /// Whether the same call may end better later.
    pub retryable: bool,
    /// What the guardrails said; absent where they said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Decision>,
    /// Rules that the request breaks.
    pub rules: Vec<BrokenRule>,
    /// Version of the rules that decided; absent where the guardrails said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_version: Option<String>,
    /// The token to acknowledge, where that is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// Every step of the lifecycle.
    pub steps: Vec<Step>,
    /// Memories used as context.
    pub memories: Vec<UsedMemory>,
    /// The injected pattern; absent where nothing was injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<UsedPattern>,
    /// What the agent made; absent where it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artefact: Option<Artefact>,
    /// What a model cost, where one took part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ModelUsage>,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// How long it took, in milliseconds.
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
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// Reply of `list_executions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionList {
    /// Executions of the caller, newest first.
    pub executions: Vec<ExecutionSummary>,
    /// Cursor of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What is left at one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceQuota {
    /// Name of the service.
    pub service: String,
    /// Calls a day.
    pub limit: u64,
    /// Calls of today.
    pub used: u64,
    /// What is left of them.
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
    /// `redis`, `local` or `fallback`: who counted. Without Redis only this service's own count is known.
    pub mode: String,
    /// Calls by service.
    pub services: Vec<ServiceQuota>,
    /// Spent on models today, in micro-dollars.
    pub llm_used_micro_usd: u64,
    /// What the plan allows for models in a day, in micro-dollars.
    pub llm_limit_micro_usd: u64,
}
