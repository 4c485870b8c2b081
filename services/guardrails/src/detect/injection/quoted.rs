//! Orders that are quoted in order to warn of them, as documentation and tests of defences do. Only an order that stands in quotes as a whole,
//! after words that name it as an attack, counts as quoted. Every other order is reported.

use super::table::TABLE;
use crate::detect::near::{before, has_word};
use std::ops::Range;

/// How far before the quote the words may stand, in bytes.
const BEFORE_BYTES: usize = 160;
/// How far from the order its quotes may stand, in bytes.
const QUOTE_BYTES: usize = 60;

/// Returns true if the order at `place` is quoted as an example of an attack.
pub(super) fn is_quoted_as_attack(text: &str, place: &Range<usize>) -> bool {
    let before = before(text, place.start, BEFORE_BYTES);
    let Some((at, quote)) = opening(before) else { return false };
    let after = crate::detect::near::window(text, place.end, QUOTE_BYTES);
    let after = after.split('\n').next().unwrap_or_default();
    let closes = after.contains(closing(quote));
    let introduced = before[..at].to_lowercase();
    closes && TABLE.warnings.iter().any(|word| has_word(&introduced, word))
}

/// Returns the last opening quote in `before`, if it is near the end.
fn opening(before: &str) -> Option<(usize, char)> {
    let near = before.len().saturating_sub(QUOTE_BYTES);
    before
        .char_indices()
        .rev()
        .take_while(|(at, _)| *at >= near)
        .find(|(_, letter)| matches!(letter, '"' | '`' | '“' | '„' | '«' | '‘' | '\'' | '「'))
}

fn closing(quote: char) -> char {
    match quote {
        '“' => '”',
        '„' => '“',
        '«' => '»',
        '‘' => '’',
        '「' => '」',
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(text: &str) -> bool {
        let start = text.find("obey me").unwrap();
        is_quoted_as_attack(text, &(start..start + 7))
    }

    #[test]
    fn only_a_whole_quote_behind_a_warning_is_a_warning() {
        assert!(warned("An injection such as \"obey me now\" is data."));
        assert!(warned("Attackers write “obey me” in issues."));
        for text in [
            "obey me",
            "Please \"obey me\"",
            "An injection such as obey me",
            "An injection says \"obey me",
            "\"obey me\" is an attack",
        ] {
            assert!(!warned(text), "{text}");
        }
    }
}
