//! Requests of the patterns tools.

use crate::guardrails::ActionRequest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Experience that a pattern expects of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// No experience.
    Beginner,
    /// Regular practice.
    Intermediate,
    /// Responsibility for the subject.
    Advanced,
}

impl Level {
    /// The name in replies and catalogues.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Beginner => "beginner",
            Self::Intermediate => "intermediate",
            Self::Advanced => "advanced",
        }
    }
}

/// Arguments of `select_pattern`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectPattern {
    /// The user's task in the user's own words, 1 byte to 4 KiB.
    pub intent: String,
    /// Role of the reader, such as `sre`; default is the role in the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Only patterns of this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Ids of recently used patterns, at most 100; they rank lower.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<String>,
    /// Maximum number of patterns to return, 1 to 20; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Arguments of `inject_pattern`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InjectPattern {
    /// Id of the pattern.
    pub pattern_id: String,
    /// The action that the guardrails checked; it must be identical.
    pub request: ActionRequest,
    /// Execution id of that check.
    pub execution_id: String,
    /// Verdict token of that check, of the kind `allow` or `acknowledged`. Required; without a valid one nothing is injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// Values of the variables of the pattern, at most 8 KiB each. Each value must be a part of `request`, word for word, because only that was
    /// checked; the role in the token and the roles of the pattern are accepted as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// Outcome of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageOutcome {
    /// The user accepted it.
    Accepted,
    /// The user accepted it with changes.
    Modified,
    /// The user rejected it.
    Rejected,
}

/// Arguments of `log_pattern_usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPatternUsage {
    /// Id of the pattern.
    pub pattern_id: String,
    /// Outcome.
    pub outcome: UsageOutcome,
    /// Execution in which the pattern was used. A pattern counts once per execution, so repeating the call has no further effect.
    pub execution_id: String,
    /// Reason for the outcome, at most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
