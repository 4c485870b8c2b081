//! The table of words and patterns by which text that gives orders to a model is found.

use mcp_contracts::guardrails::Severity;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) date: String,
    pub(super) warnings: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) verbs: Vec<String>,
    pub(super) hidden: Vec<(String, String)>,
    pub(super) delimiters: Vec<String>,
    pub(super) tool_calls: Vec<String>,
    pub(super) lists: BTreeMap<String, String>,
    pub(super) english: Vec<Source>,
    pub(super) others: Vec<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) kind: String,
    pub(super) severity: Severity,
    pub(super) stems: Vec<String>,
    pub(super) pattern: String,
}

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../../fixtures/lexicon/orders.toml")).expect("a test reads this file")
});
