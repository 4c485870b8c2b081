//! Requests of the patterns tools.

use crate::guardrails::ActionRequest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How experienced a pattern's reader should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Anybody.
    Beginner,
    /// Somebody who does this regularly.
    Intermediate,
    /// Somebody who answers for it.
    Advanced,
}

impl Level {
    /// The word in replies and catalogues.
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
    /// What somebody wants to do, in their words, 1 byte to 4 KiB.
    pub intent: String,
    /// Role of the reader, such as `sre`; the token's role where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Only patterns of this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Ids of patterns used lately, which count as less new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<String>,
    /// Most patterns to answer, 1 to 20; 3 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Arguments of `inject_pattern`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InjectPattern {
    /// Id of the pattern.
    pub pattern_id: String,
    /// The action that the guardrails were asked about, to the letter.
    pub request: ActionRequest,
    /// Execution that they were asked for.
    pub execution_id: String,
    /// Their verdict: `allow`, or `acknowledged`. Without a valid one nothing is injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_token: Option<String>,
    /// Values of the pattern's variables, at most 8 KiB each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// What became of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageOutcome {
    /// It was taken.
    Accepted,
    /// It was taken after changes.
    Modified,
    /// It was not taken.
    Rejected,
}

/// Arguments of `log_pattern_usage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPatternUsage {
    /// Id of the pattern.
    pub pattern_id: String,
    /// What became of it.
    pub outcome: UsageOutcome,
    /// Execution in which it was used; a pattern counts once for each execution, so that repeating the call is harmless.
    pub execution_id: String,
    /// Why, at most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
