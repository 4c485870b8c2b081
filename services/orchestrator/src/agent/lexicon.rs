//! Matches phrases from the data files in `fixtures/lexicon`, whose README explains them. All agents use this matcher and its one rule about
//! negation. The agents decide what a match means.

mod tables;

pub(crate) use tables::*;

use regex::Regex;
use serde::Deserialize;
use std::ops::Range;
use std::sync::LazyLock;

/// Words before a cue among which a denial counts.
const DENIAL_REACH: usize = 3;
const NUMBER: &str = r"(\d+(?:[.,']\d+)*)";

/// The lexicon, parsed at the first use; `warm.rs` uses it before the service is ready.
pub(crate) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::parse);

static CLAUSE_END: LazyLock<Regex> = LazyLock::new(|| {
    let contrast = LEXICON.words.contrast.join("|");
    expression(&format!(r"(?i)[,;:.!?]\s+|\s\(|\s(?:[–—-]|{contrast})\s"))
});

/// Compiles a pattern with the word boundaries of ASCII. Those of Unicode would force the regex engine onto its slow path for every text that is
/// not plain ASCII.
pub(crate) fn expression(pattern: &str) -> Regex {
    Regex::new(&pattern.replace(r"\b", r"(?-u:\b)")).expect("a constant pattern, or one made of escaped phrases")
}

/// Splits a statement into clauses.
pub(crate) fn clauses(text: &str) -> impl Iterator<Item = &str> {
    CLAUSE_END.split(text).filter(|clause| !clause.is_empty())
}

/// Returns true if the statement reports a hope, a plan, a supposition or a question instead of a fact.
pub(crate) fn is_hypothetical(text: &str) -> bool {
    text.trim_end().ends_with('?') || LEXICON.words.hypothetical.hold(text)
}

/// Phrases of one meaning.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Phrases")]
pub(crate) struct Cues(Regex);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrases {
    en: Vec<String>,
    #[serde(default)]
    de: Vec<String>,
    #[serde(default)]
    es: Vec<String>,
    #[serde(default)]
    fr: Vec<String>,
}

impl TryFrom<Phrases> for Cues {
    type Error = regex::Error;

    fn try_from(phrases: Phrases) -> Result<Self, Self::Error> {
        let mut all = [phrases.en, phrases.de, phrases.es, phrases.fr].concat();
        // The engine takes the first alternative that matches, so the longest phrase has to come first.
        all.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
        let patterns: Vec<String> = all.iter().map(|phrase| pattern(phrase)).collect();
        Regex::new(&format!("(?i)(?:{})", patterns.join("|")).replace(r"\b", r"(?-u:\b)")).map(Self)
    }
}

/// Returns the pattern of one phrase. Edges are checked only next to an ASCII word character; see [`expression`].
fn pattern(phrase: &str) -> String {
    // At the end of a phrase the rest of the word is not matched: with Unicode's word characters the lexicon took 1 s to compile
    // in a debug build instead of 0.3 s, in every process.
    let (phrase, is_open) = phrase.strip_suffix('*').map_or((phrase, false), |start| (start, true));
    let is_word = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    let mut pattern = String::from(if is_word(phrase.chars().next()) { r"(?:\b|_)" } else { "" });
    let phrase = phrase.replace(" ... ", "…");
    for character in phrase.chars() {
        match character {
            ' ' => pattern.push_str("[ :=-]{1,3}"),
            '…' => pattern.push_str("[ -]+(?:[^ ,;]+ +){0,3}?"),
            '*' => pattern.push_str("[^ ]*?"),
            '#' => pattern.push_str(&format!(r"~?{NUMBER}\+?")),
            '\'' => pattern.push_str("['’]?"),
            other => pattern.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    if !is_open && is_word(phrase.chars().next_back()) {
        pattern.push_str(r"\b");
    }
    pattern
}

impl Cues {
    /// Returns true if `text` has a cue that is not denied.
    pub(crate) fn hold(&self, text: &str) -> bool {
        self.affirmed(text).next().is_some()
    }

    /// Returns true if `text` has a cue, denied or not.
    pub(crate) fn occur(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Returns true if `text` is nothing but a cue and punctuation.
    pub(crate) fn are_all_of(&self, text: &str) -> bool {
        let text = text.trim_matches(|edge: char| !edge.is_alphanumeric());
        self.find(text).is_some_and(|cue| cue == (0..text.len()))
    }

    /// Returns the place of the first cue.
    pub(crate) fn find(&self, text: &str) -> Option<Range<usize>> {
        self.0.find(text).map(|cue| cue.range())
    }

    /// Returns the places of all cues.
    pub(crate) fn find_all(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        self.0.find_iter(text).map(|cue| cue.range())
    }

    /// Returns the places of all cues that are not negated. The name of a called function, as in `alert(1)`, is no cue.
    pub(crate) fn affirmed(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        self.find_all(text).filter(|cue| !text[cue.end..].starts_with('(') && !denied(&text[..cue.start]))
    }

    /// Returns the numbers in the first cue, one for each `#` of its phrase.
    pub(crate) fn numbers(&self, text: &str) -> Option<Vec<f64>> {
        let cue = self.0.captures(text)?;
        cue.iter().skip(1).flatten().map(|number| parse_number(number.as_str())).collect()
    }
}

/// Parses a number with a comma: `1,140` is 1140, and `2,5` is 2.5.
fn parse_number(text: &str) -> Option<f64> {
    let is_thousands = text.split(',').skip(1).all(|part| part.len() == 3);
    text.replace(',', if is_thousands { "" } else { "." }).parse().ok()
}

fn denied(before: &str) -> bool {
    let clause = CLAUSE_END.find_iter(before).last().map_or(before, |end| &before[end.end()..]);
    let near = clause.rmatch_indices(' ').nth(DENIAL_REACH).map_or(clause, |(space, _)| &clause[space..]);
    near.split_whitespace().any(|word| LEXICON.words.denial.are_all_of(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `check` for every list of phrases in a table of the lexicon.
    fn each_list(table: &toml::Value, check: &mut impl FnMut(&toml::Table)) {
        match table {
            toml::Value::Table(list) if list.get("en").is_some_and(toml::Value::is_array) => check(list),
            toml::Value::Table(table) => table.values().for_each(|value| each_list(value, check)),
            toml::Value::Array(values) => values.iter().for_each(|value| each_list(value, check)),
            _ => {}
        }
    }

    #[test]
    fn every_phrase_of_the_lexicon_matches_a_text_of_its_own() {
        let mut count = 0;
        for file in FILES {
            each_list(&file.parse::<toml::Table>().unwrap().into(), &mut |list| {
                let cues: Cues = list.clone().try_into().unwrap();
                for phrase in list.values().flat_map(|phrases| phrases.as_array().unwrap()) {
                    let phrase = phrase.as_str().unwrap();
                    let text = phrase.replace(" ... ", " of the ").replace('#', "7").replace('*', "");
                    assert!(cues.occur(&format!("so {text}, and")), "{phrase}");
                    assert_eq!(phrase, phrase.to_lowercase(), "phrases are in lower case");
                    count += 1;
                }
            });
        }
        assert!(count > 1_000, "{count} phrases were checked");
    }

    #[test]
    fn a_denied_cue_does_not_hold() {
        let alert = &LEXICON.incident.by_alert;
        assert!(alert.hold("an alert fired") && alert.hold("no traffic, alert fired"));
        for denied in ["no alert fired", "we were not paged", "we never got paged", "kein Alarm"] {
            assert!(!alert.hold(denied) && alert.occur(denied), "{denied}");
        }
        assert!(!alert.occur("unalerted"));
    }

    #[test]
    fn hopes_and_questions_are_hypothetical() {
        for hope in ["let's roll back", "should be resolved soon", "did the rollback finish?", "maybe the deploy"] {
            assert!(is_hypothetical(hope), "{hope}");
        }
        assert!(!is_hypothetical("rolled back to v41"));
    }
}
