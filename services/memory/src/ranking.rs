//! Scores a hit: BM25 (Robertson and Zaragoza 2009), raised for recent memories. The statistics cover only the memories
//! that the tenant can see, so the ranking does not depend on other tenants.

/// Limits the weight of a term that occurs often in one text. 1.2 and 0.75 are the usual values.
const K1: f64 = 1.2;
/// How much the length of a text lowers its score, from 0 to 1.
const B: f64 = 0.75;
/// A memory created now scores up to 1.5 times as high as an old one.
const RECENCY_WEIGHT: f64 = 0.5;
const RECENCY_HALF_LIFE_DAYS: f64 = 30.0;
const DAY_US: f64 = 86_400_000_000.0;

/// Counts of the memories that the tenant can see.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Corpus {
    pub documents: u64,
    /// Number of terms in all documents.
    pub terms: u64,
}

/// Returns the score of one term that occurs `frequency` times in a text of `length` terms, and at least once in `containing` texts.
pub fn bm25(corpus: Corpus, containing: u64, frequency: u64, length: u64) -> f64 {
    let (documents, containing) = (corpus.documents as f64, containing as f64);
    // 1 is added, so that a term of more than half of the texts does not get a negative score.
    let rarity = (1.0 + (documents - containing + 0.5).max(0.0) / (containing + 0.5)).ln();
    // At least 1, because a corpus without texts would divide by zero.
    let average = (corpus.terms as f64 / documents.max(1.0)).max(1.0);
    let frequency = frequency as f64;
    rarity * frequency * (K1 + 1.0) / (frequency + K1 * (1.0 - B + B * length as f64 / average))
}

/// Raises a relevance according to the age of the memory, in microseconds.
pub fn with_recency(relevance: f64, age_us: i64) -> f64 {
    // The clock may have been set back since the memory was stored.
    let days = age_us.max(0) as f64 / DAY_US;
    relevance * (1.0 + RECENCY_WEIGHT * (-days / RECENCY_HALF_LIFE_DAYS).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: Corpus = Corpus { documents: 100, terms: 2_000 };

    #[test]
    fn rare_terms_short_texts_repetitions_and_recent_memories_score_higher() {
        assert!(bm25(CORPUS, 1, 1, 20) > bm25(CORPUS, 50, 1, 20));
        assert!(bm25(CORPUS, 5, 1, 10) > bm25(CORPUS, 5, 1, 40));
        assert!(bm25(CORPUS, 5, 3, 20) > bm25(CORPUS, 5, 1, 20));
        assert!(with_recency(1.0, 0) > with_recency(1.0, 86_400_000_000 * 30));
        assert!(bm25(CORPUS, 100, 1, 20) > 0.0, "a term of every text still counts");
    }
}
