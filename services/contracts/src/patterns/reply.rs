//! Replies of the patterns tools.

use super::Level;
use crate::claims::Plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parts of a score; they add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoreParts {
    /// Match of the intent (BM25 over the catalogue).
    pub intent_match: f64,
    /// Bonus if the pattern is written for the role.
    pub role_boost: f64,
    /// Bonus or penalty from earlier uses in the organisation.
    pub success_history: f64,
    /// Penalty for recent uses; never positive.
    pub novelty_penalty: f64,
}

/// A recommended pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// Id of the pattern.
    pub id: String,
    /// Title.
    pub title: String,
    /// Category.
    pub category: String,
    /// Purpose, in one sentence.
    pub summary: String,
    /// Experience that it expects of its reader.
    pub level: Level,
    /// Names of the variables without a default; `inject_pattern` needs their values.
    pub variables: Vec<String>,
    /// Score; higher is better.
    pub score: f64,
    /// Parts of the score.
    pub score_parts: ScoreParts,
}

/// Reply of `select_pattern`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectedPatterns {
    /// Recommendations, best first; empty if no pattern matches.
    pub patterns: Vec<Recommendation>,
    /// Number of further matches that need a higher plan.
    pub on_higher_plan: u32,
    /// Version of the catalogue: a digest of all patterns.
    pub catalog_version: String,
}

/// Reply of `inject_pattern`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InjectedPattern {
    /// Id of the pattern.
    pub pattern_id: String,
    /// Title.
    pub title: String,
    /// Text with the variables filled in.
    pub text: String,
    /// Id of the verdict that allowed it.
    pub verdict_id: String,
    /// Execution id from the request.
    pub execution_id: String,
    /// Version of the catalogue.
    pub catalog_version: String,
}

/// Reply of `log_pattern_usage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggedUsage {
    /// False if this execution had logged the pattern before.
    pub recorded: bool,
    /// Number of uses of the pattern in the organisation.
    pub uses: u64,
    /// Share of these uses that were accepted or modified, 0 to 1.
    pub acceptance_rate: f64,
}

/// A pattern without its text, as returned by `pattern://detail/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatternDetail {
    /// Id of the pattern.
    pub id: String,
    /// Title.
    pub title: String,
    /// Category.
    pub category: String,
    /// Purpose, in one sentence.
    pub summary: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Roles for which it is written.
    pub roles: Vec<String>,
    /// Experience that it expects of its reader.
    pub level: Level,
    /// Cheapest plan that includes it.
    pub plan: Plan,
    /// Always empty: only `inject_pattern` returns the text, because that requires a verdict. Clients of older releases expect the field.
    pub body: String,
    /// Variables of its text.
    pub variables: Vec<PatternVariable>,
    /// Ids of related patterns.
    pub related: Vec<String>,
}

/// A variable of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatternVariable {
    /// Name, as in `{{name}}`.
    pub name: String,
    /// Description of the value.
    pub description: String,
    /// Default value; a variable without one is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}
