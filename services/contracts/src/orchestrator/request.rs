//! Requests of the orchestrator's tools.

use crate::guardrails::ActionKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentName {
    /// Incident facts in, a root-cause report out.
    Rca,
    /// Team context in, a retrospective plan out; its action items are found next time.
    Retro,
    /// Any other task: context and a pattern, without an artefact of its own.
    General,
}

impl AgentName {
    /// Every agent.
    pub const ALL: [Self; 3] = [Self::Rca, Self::Retro, Self::General];

    /// The word in requests, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rca => "rca",
            Self::Retro => "retro",
            Self::General => "general",
        }
    }
}

/// Arguments of `run_workflow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunWorkflow {
    /// The agent.
    pub agent: AgentName,
    /// Kind of action that it prepares.
    pub action: ActionKind,
    /// What is to be achieved, 1 byte to 4 KiB.
    pub intent: String,
    /// Facts for the agent: of an incident, of a team, of a task; at most 256 KiB.
    pub text: String,
    /// Paths that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Role of the reader; the token's role where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// An acknowledged verdict token, where an earlier run of the same request asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// Execution of that earlier run; with a verdict token it is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Repeating the call with the same key answers the same execution and has no further effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// Arguments of `get_execution`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetExecution {
    /// Id of the execution.
    pub execution_id: String,
}

/// Arguments of `list_executions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListExecutions {
    /// Only executions of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Most executions to answer, 1 to 100; 20 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Cursor of the next page, as the last reply gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
