//! Previews of matches, and texts with their matches masked. This module does not decide what a match is.

use mcp_contracts::guardrails::Match;

/// Maximum number of characters of a match in its preview; short matches show fewer.
const SHOWN: usize = 4;
/// Replaces the hidden rest of a match.
const REST: &str = "…";

/// Returns the first characters of a match, at most an eighth of it, and a mark for the rest.
pub(super) fn preview(matched: &str) -> String {
    let shown = (matched.chars().count() / 8).min(SHOWN);
    let mut preview: String = matched.chars().take(shown).filter(|shown| !shown.is_control()).collect();
    preview.push_str(REST);
    preview
}

/// The text with each match replaced by `[<detection>:<kind>]`. Matches may come in any order and may overlap; one that does not lie in the
/// text at the bounds of characters is widened until it does.
pub fn redact(text: &str, matches: &[Match]) -> String {
    let mut places: Vec<&Match> = matches.iter().filter(|found| found.start < found.end).collect();
    places.sort_by_key(|found| (found.start, std::cmp::Reverse(found.end)));
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for found in places {
        let (start, end) = (floor(text, found.start), ceil(text, found.end));
        if start >= text.len() {
            break;
        }
        if start >= at {
            masked.push_str(&text[at..start]);
            masked.push_str(&format!("[{}:{}]", found.detection.name(), found.kind));
        }
        at = at.max(end);
    }
    masked.push_str(&text[at..]);
    masked
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::guardrails::{Detection, Severity};

    fn match_at(start: usize, end: usize) -> Match {
        let kind = "email".to_owned();
        Match { detection: Detection::Pii, kind, severity: Severity::Low, start, end, line: 1, preview: String::new() }
    }

    #[test]
    fn overlapping_matches_are_masked_once() {
        assert_eq!(redact("to a@b.de, bye", &[match_at(5, 9), match_at(3, 9)]), "to [pii:email], bye");
        assert_eq!(redact("untouched", &[]), "untouched");
    }

    #[test]
    fn a_match_that_cuts_a_character_takes_all_of_it() {
        assert_eq!(redact("né!", &[match_at(2, 99)]), "n[pii:email]");
        assert_eq!(redact("n", &[match_at(7, 9)]), "n");
    }

    #[test]
    fn a_preview_never_shows_a_short_match() {
        assert_eq!([preview("hunter2"), preview("abcdefghijklmnop"), preview(&"k".repeat(90))], ["…", "ab…", "kkkk…"]);
    }
}
