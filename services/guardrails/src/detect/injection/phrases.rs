//! Finds prompt injections with the patterns of `fixtures/lexicon/orders.toml`. A search for word stems selects the patterns to run. The words
//! themselves are only in the table.

use super::fold::{Folded, STOP};
use super::quoted;
use super::table::TABLE;
use crate::detect::finding::Findings;
use crate::detect::normal::base;
use crate::linear;
use aho_corasick::AhoCorasick;
use mcp_contracts::guardrails::Severity;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::sync::LazyLock;

struct Phrase {
    kind: &'static str,
    severity: Severity,
    regex: Regex,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(Phrases::new);

struct Phrases {
    phrases: Vec<Phrase>,
    stems: AhoCorasick,
    /// For each stem, the index of its phrase.
    owners: Vec<usize>,
}

impl Phrases {
    fn new() -> Self {
        let (mut stems, mut owners) = (Vec::new(), Vec::new());
        let mut phrases = Vec::new();
        for source in TABLE.english.iter().chain(&TABLE.others) {
            owners.extend(source.stems.iter().map(|_| phrases.len()));
            stems.extend(source.stems.iter().map(|stem| folded(stem)));
            phrases.push(Phrase { kind: &source.kind, severity: source.severity, regex: regex(&source.pattern) });
        }
        let stems = AhoCorasick::new(stems).expect("the stems are few and fixed");
        Self { phrases, stems, owners }
    }
}

/// Removes the accents of a pattern or stem, because a folded text has none.
fn folded(text: &str) -> String {
    text.chars().filter_map(|letter| if letter.is_ascii() { Some(letter) } else { base(letter) }).collect()
}

fn regex(pattern: &str) -> Regex {
    let lists = TABLE.lists.iter();
    let pattern = lists.fold(folded(pattern), |pattern, (name, list)| pattern.replace(&format!("{{{name}}}"), list));
    // A pattern in ASCII reads bytes, which compiles several times faster than characters do. Its bounds are beside ASCII letters, so that
    // it begins and ends between characters; scripts without blanks have no such bounds.
    let compiled = if pattern.is_ascii() {
        linear::bytes(&format!(r"\b(?:{pattern})\b"), syntax::Config::new())
    } else {
        linear::text(&pattern)
    };
    compiled.expect("the patterns are fixed, and a test builds them all")
}

/// Finds orders in a folded text and adds their places in the original text.
pub(super) fn find(text: &str, folded: &Folded, findings: &mut Findings) {
    for_each(&folded.text, |phrase, range| {
        let place = folded.place(text, range.start, range.end);
        let conditional = conditional(&folded.text[range.end..]) || is_conditional_on_reader(&folded.text, &range);
        if !conditional && !quoted::is_quoted_as_attack(text, &place) {
            findings.add(phrase.kind, phrase.severity, place);
        }
        !findings.done()
    });
}

/// Returns true if a folded text contains an order.
pub(super) fn has_instruction(folded: &Folded) -> bool {
    let mut found = false;
    for_each(&folded.text, |_, _| {
        found = true;
        false
    });
    found
}

/// Runs each phrase on the sentences that hold one of its stems, once each, until `each` has enough.
fn for_each(folded: &str, mut each: impl FnMut(&Phrase, std::ops::Range<usize>) -> bool) {
    let phrases = &*PHRASES;
    let mut read_to = vec![0; phrases.phrases.len()];
    let mut sentence = 0..0;
    for stem in phrases.stems.find_overlapping_iter(folded) {
        if stem.end() > sentence.end {
            sentence = sentence_at(folded, sentence.end, stem.start());
        }
        let number = phrases.owners[stem.pattern().as_usize()];
        if read_to[number] >= sentence.end {
            continue;
        }
        read_to[number] = sentence.end;
        let phrase = &phrases.phrases[number];
        for found in phrase.regex.find_iter(&folded[sentence.clone()]) {
            if !each(phrase, sentence.start + found.start()..sentence.start + found.end()) {
                return;
            }
        }
    }
}

/// Returns the sentence that contains `place`. The search begins at `from`, which is in this sentence or an earlier one.
fn sentence_at(folded: &str, from: usize, place: usize) -> std::ops::Range<usize> {
    let start = folded[from..place].rfind(STOP).map_or(from, |stop| from + stop + STOP.len_utf8());
    let end = folded[place..].find(STOP).map_or(folded.len(), |stop| place + stop);
    start..end
}

/// Returns true if the beginning of the sentence makes the order an instruction in a manual: "If you use Windows, ignore the previous
/// instructions". An order that names all instructions, or those of the model, remains an order.
fn is_conditional_on_reader(folded: &str, range: &std::ops::Range<usize>) -> bool {
    const READERS: [&str; 6] =
        ["if you use ", "if you are using ", "if you run ", "if you are on ", "if you have ", "if you prefer "];
    const OF_THE_MODEL: [&str; 6] = [" all ", " any ", " every", " your ", " system", " original "];
    let sentence = folded[..range.start].rsplit(STOP).next().unwrap_or_default().trim_start();
    let order = &folded[range.clone()];
    READERS.iter().any(|reader| sentence.starts_with(reader)) && !OF_THE_MODEL.iter().any(|word| order.contains(word))
}

/// Returns true if a condition after the order makes it an instruction in a manual: "ignore the above instructions if you use Windows".
fn conditional(rest: &str) -> bool {
    [" if you", " if your", " unless", " when you", " when using", " in case"].iter().any(|word| rest.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_can_be_built_and_has_stems() {
        assert_eq!(PHRASES.phrases.len(), TABLE.english.len() + TABLE.others.len());
        assert!(TABLE.date.parse::<jiff::civil::Date>().is_ok());
        assert!(TABLE.english.iter().chain(&TABLE.others).all(|source| !source.stems.is_empty()));
    }
}
