//! Finds the concepts of a query among the terms of memories that are not in blocks.

use super::forward;
use super::top::UnblockedCandidate;

/// The concepts of a query as terms.
pub struct QueryTerms {
    /// In order, each with the number of its concept.
    terms: Vec<(Vec<u8>, usize)>,
    /// True for the first byte of each term.
    // A search reads thousands of terms, and three of four begin with a byte that no concept has.
    first_bytes: [bool; 256],
}

impl QueryTerms {
    pub fn new(terms: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut terms: Vec<(Vec<u8>, usize)> = terms.enumerate().map(|(concept, term)| (term, concept)).collect();
        terms.sort_unstable();
        let mut first_bytes = [false; 256];
        terms.iter().filter_map(|(term, _)| term.first()).for_each(|byte| first_bytes[usize::from(*byte)] = true);
        Self { terms, first_bytes }
    }

    fn concept(&self, term: &[u8]) -> Option<usize> {
        term.first().filter(|byte| self.first_bytes[usize::from(**byte)])?;
        let place = self.terms.binary_search_by(|(wanted, _)| wanted.as_slice().cmp(term)).ok()?;
        Some(self.terms[place].1)
    }

    /// Returns the concepts of the query that a memory with these terms contains.
    pub fn single(&self, memory: i64, length: i64, day: i64, terms: &[u8]) -> UnblockedCandidate {
        let words = forward::words(terms);
        let matches = words.filter_map(|word| Some((self.concept(word.term)?, word.frequency, word.forms.to_vec())));
        UnblockedCandidate { memory, length: length.unsigned_abs(), day, matches: matches.collect() }
    }
}
