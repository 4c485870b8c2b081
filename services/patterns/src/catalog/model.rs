//! A catalogue file as its author writes it; what the published schema is made of.

use mcp_contracts::Plan;
use mcp_contracts::patterns::{Level, PatternVariable};
use schemars::JsonSchema;
use serde::Serialize;

/// A catalogue file: the patterns of one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Catalogue file of the patterns service")]
pub struct CatalogFile {
    /// Category of all patterns of the file, such as `code-review`.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"), length(max = 64))]
    pub category: String,
    /// The patterns.
    #[schemars(length(min = 1))]
    pub patterns: Vec<Entry>,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Entry {
    /// Identity over all files, such as `review-change`.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"), length(max = 64))]
    pub id: String,
    /// What it is called, in one line.
    #[schemars(length(min = 1, max = 80))]
    pub title: String,
    /// What it is for, in one sentence.
    #[schemars(length(min = 1, max = 240))]
    pub summary: String,
    /// Words that people search by.
    #[schemars(length(min = 1, max = 12))]
    pub tags: Vec<String>,
    /// Roles that it is written for.
    #[schemars(length(min = 1, max = 8))]
    pub roles: Vec<String>,
    /// How experienced its reader should be.
    pub level: Level,
    /// Cheapest plan that has it.
    pub plan: Plan,
    /// Ids of related patterns.
    #[schemars(default, length(max = 8))]
    pub related: Vec<String>,
    /// Its variables; each stands in the text, and nothing else does.
    #[schemars(default, length(max = 16))]
    pub variables: Vec<PatternVariable>,
    /// Its text with `{{variable}}` places.
    #[schemars(length(min = 1, max = 16384))]
    pub body: String,
}

/// The published schema of a catalogue file, as text.
pub fn schema() -> String {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<CatalogFile>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
