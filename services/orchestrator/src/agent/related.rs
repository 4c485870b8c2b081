//! Memories about the same subject, with the words that they share.

use super::source::{clean, cut};
use super::words;
use mcp_contracts::memory::Memory;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// Longest excerpt of a memory, in characters.
const MAX_EXCERPT_CHARS: usize = 160;
/// Shared words that are named as the reason.
const MAX_REASONS: usize = 5;

/// A memory about the same subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// Id of the memory.
    pub id: String,
    /// When it was stored (RFC 3339, UTC).
    pub created_at: String,
    /// Its first words.
    pub excerpt: String,
    /// Why it is related.
    pub why: String,
}

/// Returns memories that share at least `least` distinguishing words with `text`: the most similar first, of equally similar ones the newest.
pub(crate) fn related<'a>(
    text: &str,
    memories: impl IntoIterator<Item = &'a Memory>,
    least: usize,
    most: usize,
) -> Vec<Related> {
    let wanted = words::significant(text);
    let shared = |memory: &'a Memory| (words::shared(&memory.content, &wanted), memory);
    let mut scored: Vec<(BTreeSet<&str>, &Memory)> = memories.into_iter().map(shared).collect();
    scored.retain(|(shared, _)| shared.len() >= least);
    scored.sort_by(|(left, one), (right, other)| {
        right.len().cmp(&left.len()).then_with(|| other.created_at.cmp(&one.created_at))
    });
    scored.truncate(most);
    let related = |(shared, memory): (BTreeSet<&str>, &Memory)| {
        let mut shared: Vec<&str> = shared.into_iter().collect();
        // Names such as `checkout-api` say most, then long words.
        shared.sort_by_key(|word| (!word.contains(['-', '_']), std::cmp::Reverse(word.len()), *word));
        let named = shared[..shared.len().min(MAX_REASONS)].join(", ");
        let more = shared.len().saturating_sub(MAX_REASONS);
        let why = if more == 0 { format!("shares {named}") } else { format!("shares {named} and {more} more words") };
        // Cleaning costs time; four times the excerpt leaves room for what it removes.
        let excerpt = clean(&memory.content.chars().take(4 * MAX_EXCERPT_CHARS).collect::<String>());
        let (id, created_at) = (memory.id.clone(), memory.created_at.clone());
        Related { id, created_at, excerpt: cut(&excerpt, MAX_EXCERPT_CHARS), why }
    };
    scored.into_iter().map(related).collect()
}
