//! How an order to a model is written down, in whatever language.

use mcp_contracts::guardrails::Severity;

/// A kind of order, as it is written down.
pub(super) struct Source {
    pub(super) kind: &'static str,
    pub(super) severity: Severity,
    /// One of these is in every text that the pattern matches.
    pub(super) stems: &'static [&'static str],
    /// Pattern over a folded text; `{VERB}` and its like stand for lists of words.
    pub(super) pattern: &'static str,
}
