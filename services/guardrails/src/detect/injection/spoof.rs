//! Text that imitates a part of the dialogue: marks that separate turns, tool calls and their results. A mark alone in quotes is a constant of a
//! program and is not reported.

use super::table::TABLE;
use crate::detect::finding::Findings;
use crate::detect::near::byte;
use aho_corasick::AhoCorasick;
use mcp_contracts::guardrails::Severity;
use std::sync::LazyLock;

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(TABLE.delimiters.iter().chain(&TABLE.tool_calls))
        .expect("the marks are few and fixed")
});

pub(super) fn find(text: &str, findings: &mut Findings) {
    for mark in SEARCH.find_iter(text) {
        let kind = if mark.pattern().as_usize() < TABLE.delimiters.len() { "delimiter" } else { "tool_call" };
        let plain = text[mark.range()].starts_with("[i") || is_joined(text, mark.start());
        if !plain && !is_constant(text, mark.start(), mark.end()) && goes_on(text, mark.end()) {
            findings.add(kind, Severity::High, mark.range());
        }
        if findings.done() {
            return;
        }
    }
}

/// Returns true if `<…` directly follows a name, as a type parameter does.
fn is_joined(text: &str, start: usize) -> bool {
    let bytes = text.as_bytes();
    let joined = start.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric());
    joined && bytes[start] == b'<' && bytes.get(start + 1).is_some_and(u8::is_ascii_alphabetic)
}

/// Returns true if a mark is alone in quotes, as in the token list of a tokenizer.
fn is_constant(text: &str, start: usize, end: usize) -> bool {
    let (left, right) = (byte(text, start.checked_sub(1)), byte(text, Some(end)));
    let quoted = |byte: u8| matches!(byte, b'"' | b'\'' | b'`');
    quoted(left) && quoted(right)
}

/// Returns true unless the text after the mark, on its line or the next one with text, is a template of a program.
fn goes_on(text: &str, end: usize) -> bool {
    let rest = crate::detect::near::window(text, end, 120);
    let rest = rest.trim_start_matches(|letter: char| letter.is_whitespace());
    let template = |line: &str| {
        line.contains("{{")
            || line.contains("{%")
            || line.contains("\" +")
            || line.contains("{message")
            || line.contains("{content")
    };
    !rest.lines().next().is_some_and(template)
}
