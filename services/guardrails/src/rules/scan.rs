//! Searches a text once for the fixed words of every pattern, and returns which patterns may match and on which lines. A pattern whose words
//! do not occur is never run.

use super::pattern::{MatchExtent, MatchField, Pattern};
use super::subject::Subject;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};
use std::collections::BTreeMap;
use std::ops::Range;

/// Maximum number of lines that are recorded for one pattern. With more, one run over the whole text is cheaper.
const MAX_LINES: usize = 64;

/// Where a pattern may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Possible {
    /// Nowhere, because the text has none of its words.
    No,
    Lines(Vec<Range<usize>>),
    Whole,
}

/// Use of a set of rules. It decides how much memory the search for words may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetUse {
    /// All organisations: the fastest search, which takes 1 to 2 MB.
    AllOrganisations,
    /// One organisation, or a test of a rule. There may be many such sets, so each is small.
    One,
}

/// Finds the words of a set of patterns.
#[derive(Debug)]
pub(super) struct Scanner {
    words: AhoCorasick,
    /// For each word, the numbers of the patterns that have it.
    patterns: Vec<Vec<usize>>,
    /// For each pattern: its place, its reach, and true if it has words.
    kinds: Vec<(MatchField, MatchExtent, bool)>,
}

impl Scanner {
    /// Collects the words of patterns. The number of a pattern is its position.
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p Pattern>, use_of: SetUse) -> Result<Self, String> {
        let mut by_word: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        let mut kinds = Vec::new();
        for (number, pattern) in patterns.enumerate() {
            kinds.push((pattern.place, pattern.reach, pattern.words.is_some()));
            for word in pattern.words.iter().flatten() {
                by_word.entry(word).or_default().push(number);
            }
        }
        let kind = match use_of {
            SetUse::AllOrganisations => AhoCorasickKind::DFA,
            SetUse::One => AhoCorasickKind::ContiguousNFA,
        };
        let words = AhoCorasickBuilder::new()
            // One search serves case-sensitive and case-insensitive patterns. It may run a case-sensitive pattern without need, but never misses one.
            .ascii_case_insensitive(true)
            .kind(Some(kind))
            .build(by_word.keys())
            .map_err(|error| format!("the rules have too many words: {error}"))?;
        Ok(Self { words, patterns: by_word.into_values().collect(), kinds })
    }

    /// Returns where each pattern may match.
    pub(super) fn scan(&self, subject: &Subject<'_>) -> Vec<Possible> {
        let start = |(_, _, has_words): &(MatchField, MatchExtent, bool)| {
            if *has_words { Possible::No } else { Possible::Whole }
        };
        let mut possible: Vec<Possible> = self.kinds.iter().map(start).collect();
        for place in MatchField::ALL {
            let text: &str = match place {
                MatchField::Text => &subject.text,
                MatchField::Removed => &subject.removed,
                MatchField::Intent => &subject.intent,
            };
            let mut line = 0..0;
            // Overlapping, so that a word inside another one is found as well. Matches come in the order of their ends.
            for found in self.words.find_overlapping_iter(text) {
                let last = found.end() - 1;
                if last >= line.end {
                    line = line_at(text, last);
                }
                for number in &self.patterns[found.pattern().as_usize()] {
                    let (wanted, reach, _) = self.kinds[*number];
                    if wanted == place {
                        add_line(&mut possible[*number], &line, reach);
                    }
                }
            }
        }
        possible
    }
}

fn add_line(possible: &mut Possible, line: &Range<usize>, reach: MatchExtent) {
    match (&mut *possible, reach) {
        (_, MatchExtent::Whole) => *possible = Possible::Whole,
        (Possible::No, MatchExtent::Line) => *possible = Possible::Lines(vec![line.clone()]),
        (Possible::Lines(lines), MatchExtent::Line) if lines.last() == Some(line) => {}
        (Possible::Lines(lines), MatchExtent::Line) if lines.len() < MAX_LINES => lines.push(line.clone()),
        (Possible::Lines(_) | Possible::Whole, MatchExtent::Line) => *possible = Possible::Whole,
    }
}

fn line_at(text: &str, byte: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = bytes[..byte].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end = bytes[byte..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| byte + at);
    start..end
}

/// Returns the lines of a text, as ranges without the line ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::guardrails::ActionKind;

    fn possible(patterns: &[&str], text: &str) -> Vec<Possible> {
        let patterns: Vec<Pattern> = patterns
            .iter()
            .map(|pattern| Pattern::new(pattern, MatchField::Text, MatchExtent::Line).unwrap())
            .collect();
        Scanner::new(patterns.iter(), SetUse::AllOrganisations)
            .unwrap()
            .scan(&Subject::bare(ActionKind::Edit).with_text(text))
    }

    fn on(line: Range<usize>) -> Possible {
        Possible::Lines(std::iter::once(line).collect())
    }

    #[test]
    fn only_lines_with_a_word_of_the_pattern_are_returned() {
        let found = possible(&["(?i)drop +table", "truncate", "[0-9]{16}"], "one\nDROP  Table\nthree");
        assert_eq!(found, [on(4..15), Possible::No, Possible::Whole]);
    }

    #[test]
    fn a_text_with_many_matching_lines_is_searched_as_a_whole() {
        assert_eq!(possible(&["truncate"], &"truncate\n".repeat(MAX_LINES + 2)), [Possible::Whole]);
        assert_eq!(possible(&["truncate"], &"truncate ".repeat(1_000)), [on(0..9_000)]);
    }

    #[test]
    fn lines_are_ranges_of_the_text() {
        assert_eq!(lines("a\n\nbc").collect::<Vec<_>>(), [0..1, 2..2, 3..5]);
        assert_eq!(line_at("a\nbc\nd", 3), 2..4);
    }
}
