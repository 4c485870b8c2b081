//! A catalogue file as its author writes it. The published schema is generated from these types.

use mcp_contracts::Plan;
use mcp_contracts::patterns::{Level, PatternVariable};
use schemars::JsonSchema;
use serde::Serialize;

/// A catalogue file: the patterns of one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Catalogue file of the patterns service")]
pub struct CatalogFile {
    /// Category of all patterns in the file, such as `code-review`.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"), length(max = 64))]
    pub category: String,
    /// Patterns of the category.
    #[schemars(length(min = 1))]
    pub patterns: Vec<Entry>,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Entry {
    /// Id, unique over all files, such as `review-change`.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"), length(max = 64))]
    pub id: String,
    /// Title, in one line.
    #[schemars(length(min = 1, max = 80))]
    pub title: String,
    /// Purpose, in one sentence.
    #[schemars(length(min = 1, max = 240))]
    pub summary: String,
    /// Search words.
    #[schemars(length(min = 1, max = 12))]
    pub tags: Vec<String>,
    /// Roles for which it is written.
    #[schemars(length(min = 1, max = 8))]
    pub roles: Vec<String>,
    /// Experience that it expects of its reader.
    pub level: Level,
    /// Cheapest plan that includes it.
    pub plan: Plan,
    /// Ids of related patterns.
    #[schemars(default, length(max = 8))]
    pub related: Vec<String>,
    /// Variables; exactly those that the body uses.
    #[schemars(default, length(max = 16))]
    pub variables: Vec<PatternVariable>,
    /// Text with `{{variable}}` placeholders.
    #[schemars(length(min = 1, max = 16384))]
    pub body: String,
}

/// Returns the published schema of a catalogue file as text.
pub fn schema() -> String {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<CatalogFile>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
