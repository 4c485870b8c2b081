//! Turns texts into terms of the index. Contents and queries pass through the same functions, so that they match. A term stands for a concept:
//! a stem without accents, a part of a name in code, a whole name, or a pair of characters of a script without spaces.

mod fold;
mod split;
mod stop_words;

use xxhash_rust::xxh3::xxh3_64;

/// Longer terms are cut, so that a long run such as base64 data does not fill the index.
const MAX_TERM_BYTES: usize = 64;
/// Weight of a part of a name, such as `profile` of `getUserProfile`. It is less than that of a word, because the query asks for the whole name.
const PART_WEIGHT: f64 = 0.5;

/// The terms of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Number of words and pairs. Parts, whole names and single characters are not counted, so that they do not make a text longer.
    pub words: u64,
    /// Distinct terms, sorted.
    pub entries: Vec<Entry>,
}

/// A term of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub term: String,
    pub frequency: u64,
    /// The [`form`] of each different spelling, sorted.
    pub forms: Vec<u8>,
}

/// A query, split into concepts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Distinct by term, in the order of the query.
    pub concepts: Vec<Concept>,
}

/// One concept of a query, and how it is weighted.
#[derive(Debug, Clone, PartialEq)]
pub struct Concept {
    pub term: String,
    /// The word as the query spells it, in lower case.
    pub word: String,
    /// The [`form`] of each spelling in the query. A text with one of them matches exactly.
    pub forms: Vec<u8>,
    /// Factor of the score, from 0 to 1.
    pub weight: f64,
}

impl Query {
    pub fn is_empty(&self) -> bool {
        self.concepts.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A run of letters and digits.
    Word,
    /// A part of a word: `profile` of `getUserProfile`.
    Part,
    /// A name of several words or with signs: `search.rs`, `c++`.
    Whole,
    /// Two adjacent characters of a script without spaces, or one that stands alone.
    Pair,
    /// One character of a longer run in such a script.
    Sign,
}

/// Returns the terms of a content.
pub fn of(text: &str) -> Document {
    let mut found: Vec<(String, u8)> = Vec::new();
    let mut words = 0;
    split::tokens(text, &mut |kind, spelling| {
        let term = fold::term(&spelling);
        // Nothing is left of a mark that stands alone.
        if !term.is_empty() {
            words += u64::from(matches!(kind, Kind::Word | Kind::Pair));
            found.push((term, form(&spelling)));
        }
    });
    found.sort_unstable();
    let mut entries: Vec<Entry> = Vec::with_capacity(found.len());
    for (term, form) in found {
        match entries.last_mut().filter(|entry| entry.term == term) {
            Some(entry) => {
                entry.frequency += 1;
                // Forms arrive in sorted order, so an equal one can only be the last.
                if entry.forms.last() != Some(&form) {
                    entry.forms.push(form);
                }
            }
            None => entries.push(Entry { term, frequency: 1, forms: vec![form] }),
        }
    }
    Document { words, entries }
}

/// Returns the concepts of a query, without its stop words.
pub fn of_query(text: &str) -> Query {
    let mut tokens = Vec::new();
    split::tokens(text, &mut |kind, spelling| {
        if !fold::term(&spelling).is_empty() {
            tokens.push((kind, spelling));
        }
    });
    // UnblockedCandidate characters are dropped, because the pairs that contain them are more precise. A character without a neighbour is a pair here.
    tokens.retain(|(kind, _)| *kind != Kind::Sign);
    let words = tokens.iter().filter(|(kind, _)| *kind == Kind::Word);
    let list = stop_words::of_language(words.map(|(_, spelling)| spelling.as_str()));
    let says_something = |(kind, spelling): &(Kind, String)| match kind {
        Kind::Word | Kind::Part => !list.contains(&*fold::without_accents(spelling)),
        Kind::Whole | Kind::Pair | Kind::Sign => true,
    };
    let is_word = |(kind, _): &(Kind, String)| matches!(kind, Kind::Word | Kind::Pair);
    if tokens.iter().any(|token| is_word(token) && says_something(token)) {
        tokens.retain(says_something);
    }
    let mut query = Query::default();
    for (kind, word) in tokens {
        let (term, form) = (fold::term(&word), form(&word));
        let weight = if kind == Kind::Part { PART_WEIGHT } else { 1.0 };
        match query.concepts.iter_mut().find(|concept| concept.term == term) {
            Some(concept) => {
                concept.weight = concept.weight.max(weight);
                concept.forms.push(form);
            }
            None => query.concepts.push(Concept { term, word, forms: vec![form], weight }),
        }
    }
    query
}

/// Returns 8 bits that distinguish spellings of one term.
// This costs one byte for each entry of the index; a term for each spelling would make the index a third larger. Two spellings of one term have the
// same value once in 256 cases. Then both get the bonus of an exact match.
fn form(spelling: &str) -> u8 {
    xxh3_64(spelling.as_bytes()).to_be_bytes()[7]
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
