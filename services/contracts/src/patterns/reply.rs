//! Replies of the patterns tools.

use super::Level;
use crate::claims::Plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a score comes from; the parts add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoreParts {
    /// How well the intent matches (BM25 over the catalogue).
    pub intent_match: f64,
    /// Added where the role fits.
    pub role_boost: f64,
    /// From what became of it in the organisation before.
    pub success_history: f64,
    /// Taken away where it was used lately; never positive.
    pub novelty_penalty: f64,
}

/// A recommended pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// Id of the pattern.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its category.
    pub category: String,
    /// What it is for, in one sentence.
    pub summary: String,
    /// How experienced its reader should be.
    pub level: Level,
    /// Names of its variables that have no default.
    pub variables: Vec<String>,
    /// Rank, higher is better.
    pub score: f64,
    /// Where the score comes from.
    pub score_parts: ScoreParts,
}

/// Reply of `select_pattern`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelectedPatterns {
    /// Recommendations, best first; empty where nothing matches.
    pub patterns: Vec<Recommendation>,
    /// How many more would match on a higher plan.
    pub on_higher_plan: u32,
    /// Version of the catalogue: a digest of all of it.
    pub catalog_version: String,
}

/// Reply of `inject_pattern`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InjectedPattern {
    /// Id of the pattern.
    pub pattern_id: String,
    /// Its title.
    pub title: String,
    /// The pattern with its variables filled in.
    pub text: String,
    /// Identity of the verdict that allowed it.
    pub verdict_id: String,
    /// Execution that it is for.
    pub execution_id: String,
    /// Version of the catalogue.
    pub catalog_version: String,
}

/// Reply of `log_pattern_usage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggedUsage {
    /// False where this execution had logged the pattern before.
    pub recorded: bool,
    /// How often the organisation has used the pattern.
    pub uses: u64,
    /// Share of uses that were accepted or modified, 0 to 1.
    pub acceptance_rate: f64,
}

/// A pattern as `pattern://detail/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatternDetail {
    /// Id of the pattern.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its category.
    pub category: String,
    /// What it is for, in one sentence.
    pub summary: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Roles that it is written for.
    pub roles: Vec<String>,
    /// How experienced its reader should be.
    pub level: Level,
    /// Cheapest plan that has it.
    pub plan: Plan,
    /// Its text with `{{variable}}` places.
    pub body: String,
    /// Its variables.
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
    /// What goes there.
    pub description: String,
    /// Value where none is given; without one it is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}
