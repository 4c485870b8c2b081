//! References: BM25 over the whole set, with terms and constants that are named. They show what each step adds. All but the last one share no code
//! with the search.

use super::labelled::LabelledSet;
use super::{DEPTH, LabelledQuestion, place};
use crate::terms;
use rust_stemmers::{Algorithm, Stemmer};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

/// One way to rank.
pub(super) struct Variant {
    pub(super) name: &'static str,
    of_text: fn(&str) -> TextTerms,
    of_question: fn(&str) -> Vec<String>,
    k1: f64,
    b: f64,
}

struct TextTerms {
    /// With repetitions.
    terms: Vec<String>,
    /// The length of the text: its number of words. Parts of words do not make it longer.
    words: u64,
}

/// Each adds one step to the one before it.
pub(super) const VARIANTS: &[Variant] = &[
    Variant { name: "plain", of_text: plain, of_question: words, k1: 1.2, b: 0.75 },
    Variant { name: "+ English stop words", of_text: plain, of_question: without_stop_words, k1: 1.2, b: 0.75 },
    Variant { name: "+ English stems", of_text: stemmed, of_question: stems_of_question, k1: 1.2, b: 0.75 },
    Variant { name: "+ k1 = 0.9, b = 0.4", of_text: stemmed, of_question: stems_of_question, k1: 0.9, b: 0.4 },
    Variant { name: "+ parts of words", of_text: with_parts, of_question: parts_of_question, k1: 0.9, b: 0.4 },
    Variant { name: "terms of the service", of_text: of_service, of_question: question_of_service, k1: 0.9, b: 0.4 },
];

/// Returns the runs of letters and digits as they are written.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty())
}

fn words(text: &str) -> Vec<String> {
    runs(text).map(str::to_lowercase).collect()
}

fn plain(text: &str) -> TextTerms {
    let terms = words(text);
    TextTerms { words: terms.len() as u64, terms }
}

static STOP_WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        words: BTreeMap<String, String>,
    }
    let file: File = toml::from_str(include_str!("../../../../fixtures/lexicon/stop-words.toml"))
        .expect("the tests of the terms read this file");
    file.words["en"].split_whitespace().map(str::to_owned).collect()
});

/// Returns the words of a question that say something, or all if there are none.
fn without_stop_words(question: &str) -> Vec<String> {
    let words = words(question);
    let kept: Vec<String> = words.iter().filter(|word| !STOP_WORDS.contains(*word)).cloned().collect();
    if kept.is_empty() { words } else { kept }
}

fn stem(word: &str) -> String {
    Stemmer::create(Algorithm::English).stem(word).into_owned()
}

fn stemmed(text: &str) -> TextTerms {
    let terms: Vec<String> = words(text).iter().map(|word| stem(word)).collect();
    TextTerms { words: terms.len() as u64, terms }
}

fn stems_of_question(question: &str) -> Vec<String> {
    without_stop_words(question).iter().map(|word| stem(word)).collect()
}

/// Returns the parts of names such as `findOpenByCustomer` and `HTTPClient2`; none for a plain word.
fn parts(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut parts = vec![String::new()];
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let is_start = before.is_some_and(|before| {
            let ends_capitals = before.is_uppercase() && letters.get(index + 1).is_some_and(|next| next.is_lowercase());
            letter.is_uppercase() && (before.is_lowercase() || ends_capitals)
                || letter.is_numeric() != before.is_numeric()
        });
        if is_start {
            parts.push(String::new());
        }
        parts.last_mut().expect("it is never empty").extend(letter.to_lowercase());
    }
    if parts.len() > 1 { parts } else { Vec::new() }
}

fn with_parts(text: &str) -> TextTerms {
    let TextTerms { mut terms, words } = stemmed(text);
    terms.extend(runs(text).flat_map(parts).map(|part| stem(&part)));
    TextTerms { terms, words }
}

fn parts_of_question(question: &str) -> Vec<String> {
    let mut terms = stems_of_question(question);
    terms.extend(runs(question).flat_map(parts).map(|part| stem(&part)));
    terms
}

fn of_service(text: &str) -> TextTerms {
    let document = terms::of(text);
    let repeated = document.entries.into_iter().flat_map(|entry| {
        let frequency = usize::try_from(entry.frequency).unwrap_or(usize::MAX);
        std::iter::repeat_n(entry.term, frequency)
    });
    TextTerms { terms: repeated.collect(), words: document.words }
}

fn question_of_service(question: &str) -> Vec<String> {
    terms::of_query(question).concepts.into_iter().map(|concept| concept.term).collect()
}

impl Variant {
    /// Returns the place of the evidence for each question.
    pub(super) fn places(&self, set: &LabelledSet) -> Vec<Option<usize>> {
        let index = Index::new(self, set);
        let of_question = |question: &LabelledQuestion| {
            let ranked = index.ranked(self, &(self.of_question)(&question.question));
            place(question, ranked.into_iter().map(|document| set.memories[document].id.as_str()))
        };
        set.questions.iter().map(of_question).collect()
    }
}

/// For each term, the documents that contain it, with its frequency.
struct Index {
    postings: HashMap<String, BTreeMap<usize, u64>>,
    lengths: Vec<u64>,
}

impl Index {
    fn new(variant: &Variant, set: &LabelledSet) -> Self {
        let mut index = Self { postings: HashMap::new(), lengths: Vec::new() };
        for (document, memory) in set.memories.iter().enumerate() {
            let TextTerms { terms, words } = (variant.of_text)(&memory.text);
            index.lengths.push(words);
            for term in terms {
                *index.postings.entry(term).or_default().entry(document).or_default() += 1;
            }
        }
        index
    }

    /// Returns the best documents, best first. Of equal ones the newer one comes first, as in the service.
    fn ranked(&self, variant: &Variant, terms: &[String]) -> Vec<usize> {
        let documents = self.lengths.len() as f64;
        let average = self.lengths.iter().sum::<u64>() as f64 / documents;
        let mut scores: HashMap<usize, f64> = HashMap::new();
        for (place, term) in terms.iter().enumerate() {
            let Some(postings) = self.postings.get(term).filter(|_| !terms[..place].contains(term)) else { continue };
            let containing = postings.len() as f64;
            let rarity = (1.0 + (documents - containing + 0.5) / (containing + 0.5)).ln();
            for (document, frequency) in postings {
                let frequency = *frequency as f64;
                let length = variant.b * self.lengths[*document] as f64 / average;
                *scores.entry(*document).or_default() +=
                    rarity * frequency * (variant.k1 + 1.0) / (frequency + variant.k1 * (1.0 - variant.b + length));
            }
        }
        let mut ranked: Vec<(usize, f64)> = scores.into_iter().collect();
        ranked.sort_unstable_by(|one, other| other.1.total_cmp(&one.1).then(other.0.cmp(&one.0)));
        ranked.into_iter().take(DEPTH).map(|(document, _)| document).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::labelled::LabelledMemory;

    #[test]
    fn names_have_parts_and_plain_words_have_none() {
        assert_eq!(parts("HTTPClientFactory2"), ["http", "client", "factory", "2"]);
        assert_eq!(parts("userID"), ["user", "id"]);
        assert_eq!(parts("Plain"), [""; 0]);
    }

    #[test]
    fn a_question_keeps_its_words_if_all_are_stop_words() {
        assert_eq!(without_stop_words("who is there"), ["who", "is", "there"]);
        assert_eq!(stems_of_question("the certificates expired"), ["certif", "expir"]);
    }

    #[test]
    fn rare_words_and_short_texts_come_first() {
        let memory = |id: &str, text: &str| LabelledMemory { id: id.to_owned(), text: text.to_owned() };
        let memories = vec![
            memory("common", "red red red"),
            memory("long", "red blue and many more words about nothing"),
            memory("short", "red blue"),
        ];
        let set = LabelledSet { memories, questions: Vec::new() };
        assert_eq!(Index::new(&VARIANTS[0], &set).ranked(&VARIANTS[0], &words("blue red")), [2, 1, 0]);
    }
}
