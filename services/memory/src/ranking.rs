//! Scores a hit: BM25 (Robertson and Zaragoza 2009), raised for recent memories. The statistics cover only the memories
//! that the tenant can see, so the ranking does not depend on other tenants.

use std::sync::LazyLock;

/// Limits the weight of a term that occurs often in one text. 0.9 and 0.4 suit short texts: of 1,535 questions over 5,882 turns of conversations,
/// 69.5 % had their evidence among the first ten hits, and 68.1 % with the usual 1.2 and 0.75.
const K1: f64 = 0.9;
/// How much the length of a text lowers its score, from 0 to 1.
const B: f64 = 0.4;
/// What a text gains for a word that it spells as the query does. Small, because another form of the word says nearly the same.
const EXACT_BONUS: f64 = 0.1;
/// A memory created now scores up to 1.5 times as high as an old one.
const RECENCY_WEIGHT: f64 = 0.5;
const RECENCY_HALF_LIFE_DAYS: f64 = 30.0;
pub const DAY_US: i64 = 86_400_000_000;
/// After 50 half-lives nothing is left of the recency in a 64-bit number.
const RECENT_DAYS: usize = 1_500;

/// Counts of the memories that the tenant can see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corpus {
    pub documents: u64,
    /// Number of words in all documents.
    pub words: u64,
}

/// One concept of a query, with what its score depends on beside the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    scale: f64,
    average_length: f64,
}

impl Weight {
    /// `containing` is the number of texts with the concept, and `weight` a factor.
    pub fn new(corpus: Corpus, containing: u64, weight: f64) -> Self {
        let (documents, containing) = (corpus.documents as f64, containing as f64);
        // 1 is added, so that a term of more than half of the texts does not get a negative score.
        let rarity = (1.0 + (documents - containing + 0.5).max(0.0) / (containing + 0.5)).ln();
        // At least 1, because a corpus without texts would divide by zero.
        let average_length = (corpus.words as f64 / documents.max(1.0)).max(1.0);
        Self { scale: rarity * weight * (K1 + 1.0), average_length }
    }

    /// Returns the score of a text of `length` words in which the concept occurs `frequency` times.
    pub fn score(&self, frequency: u64, length: u64, exact: bool) -> f64 {
        let frequency = frequency as f64;
        let score = self.scale * frequency / (frequency + K1 * (1.0 - B + B * length as f64 / self.average_length));
        if exact { score * (1.0 + EXACT_BONUS) } else { score }
    }
}

/// Returns the day of a time in microseconds.
pub fn day(us: i64) -> i64 {
    us.div_euclid(DAY_US)
}

/// Returns the factor for a memory that was created `age_days` days ago.
// Whole days, so that memories that were stored together have the same factor, and so that a place of the index can hold it in one byte.
pub fn recency(age_days: i64) -> f64 {
    static FACTORS: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let factor = |days: usize| 1.0 + RECENCY_WEIGHT * (-(days as f64) / RECENCY_HALF_LIFE_DAYS).exp2();
        (0..RECENT_DAYS).map(factor).collect()
    });
    // The clock may have been set back since the memory was stored.
    let days = usize::try_from(age_days.max(0)).unwrap_or(usize::MAX);
    FACTORS.get(days).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: Corpus = Corpus { documents: 100, words: 2_000 };

    #[test]
    fn rare_terms_short_texts_repetitions_exact_words_and_recent_memories_score_higher() {
        let weight = |containing| Weight::new(CORPUS, containing, 1.0);
        assert!(weight(1).score(1, 20, false) > weight(50).score(1, 20, false));
        assert!(weight(5).score(1, 10, false) > weight(5).score(1, 40, false));
        assert!(weight(5).score(3, 20, false) > weight(5).score(1, 20, false));
        assert!(weight(5).score(1, 20, true) > weight(5).score(1, 20, false));
        assert!(recency(0) > recency(30) && recency(30) > recency(RECENT_DAYS as i64));
        assert!(weight(100).score(1, 20, false) > 0.0, "a term of every text still counts");
        assert_eq!((day(-1), day(DAY_US)), (-1, 1));
    }
}
