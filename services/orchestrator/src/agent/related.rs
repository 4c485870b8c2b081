//! Memories about the same subject, with the words that they share.

use super::source::{clean, cut};
use super::words;
use mcp_contracts::memory::Memory;
use schemars::JsonSchema;
use serde::Serialize;

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
    let mut scored: Vec<(usize, Related)> = Vec::new();
    for memory in memories {
        let content = words::significant(&memory.content);
        let mut shared: Vec<&str> = content.intersection(&wanted).map(String::as_str).collect();
        if shared.len() < least {
            continue;
        }
        // Names such as `checkout-api` say most, then long words.
        shared.sort_by_key(|word| (!word.contains(['-', '_']), std::cmp::Reverse(word.len()), *word));
        let named = shared[..shared.len().min(MAX_REASONS)].join(", ");
        let more = shared.len().saturating_sub(MAX_REASONS);
        let why = if more == 0 { format!("shares {named}") } else { format!("shares {named} and {more} more words") };
        // Cleaning costs time; four times the excerpt leaves room for what it removes.
        let excerpt = clean(&memory.content.chars().take(4 * MAX_EXCERPT_CHARS).collect::<String>());
        let (id, created_at) = (memory.id.clone(), memory.created_at.clone());
        scored.push((shared.len(), Related { id, created_at, excerpt: cut(&excerpt, MAX_EXCERPT_CHARS), why }));
    }
    scored.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| right.1.created_at.cmp(&left.1.created_at)));
    scored.truncate(most);
    scored.into_iter().map(|(_, related)| related).collect()
}
