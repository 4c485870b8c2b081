//! Memories that are about the same thing, and why one may think so. Reading memory is not done here.

use super::source::{clean, cut};
use super::words;
use mcp_contracts::memory::Memory;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// Longest excerpt of a memory, in characters.
const MAX_EXCERPT_CHARS: usize = 160;
/// Most shared words that are named as a reason.
const MAX_REASONS: usize = 5;

/// A memory that is about the same thing.
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

/// The memories that share at least `least` meaningful words with `text`, most alike first, at most `most`.
pub(crate) fn find<'a>(
    text: &str,
    memories: impl IntoIterator<Item = &'a Memory>,
    least: usize,
    most: usize,
) -> Vec<Related> {
    let wanted = words::significant(text);
    let mut scored: Vec<(usize, Related)> = Vec::new();
    for memory in memories {
        let shared: BTreeSet<String> = words::significant(&memory.content).intersection(&wanted).cloned().collect();
        if shared.len() >= least {
            scored.push((shared.len(), related(memory, &shared)));
        }
    }
    scored.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| right.1.created_at.cmp(&left.1.created_at)));
    scored.truncate(most);
    scored.into_iter().map(|(_, related)| related).collect()
}

fn related(memory: &Memory, shared: &BTreeSet<String>) -> Related {
    let mut named: Vec<&str> = shared.iter().map(String::as_str).collect();
    named.sort_by_key(|word| (!word.contains(['-', '_']), std::cmp::Reverse(word.len()), *word));
    let more = named.len().saturating_sub(MAX_REASONS);
    named.truncate(MAX_REASONS);
    let more = if more == 0 { String::new() } else { format!(" and {more} more words") };
    Related {
        id: memory.id.clone(),
        created_at: memory.created_at.clone(),
        excerpt: excerpt(&memory.content),
        why: format!("shares {}{more}", named.join(", ")),
    }
}

/// The first words of a memory on one line.
pub(crate) fn excerpt(content: &str) -> String {
    cut(&clean(&content.chars().take(4 * MAX_EXCERPT_CHARS).collect::<String>()), MAX_EXCERPT_CHARS)
}
