//! Requests of the orchestrator's tools.

use crate::guardrails::ActionKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentName {
    /// Turns facts of an incident into a root-cause report.
    Rca,
    /// Turns a team's notes into a plan for a retrospective; the team's next plan includes the action items that are still open.
    Retro,
    /// Any other task: returns a brief with context and a pattern.
    General,
}

impl AgentName {
    /// Every agent.
    pub const ALL: [Self; 3] = [Self::Rca, Self::Retro, Self::General];

    /// The name in requests, logs and metrics.
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
    /// Agent to run.
    pub agent: AgentName,
    /// Kind of action that the workflow prepares.
    pub action: ActionKind,
    /// Purpose, 1 byte to 4 KiB.
    pub intent: String,
    /// Facts about the incident, the team or the task, at most 256 KiB.
    pub text: String,
    /// Paths of the files concerned, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Role of the reader; default is the role in the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Acknowledged verdict token, if an earlier run of the same request required acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// Execution id of that earlier run; required with a verdict token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Idempotency key: repeating the call with the same key has no further effect and returns the same execution.
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
    /// Maximum number of executions to return, 1 to 100; default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
