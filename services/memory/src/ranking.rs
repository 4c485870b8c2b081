//! The score of a hit: BM25 (Robertson and Zaragoza 2009) over what the tenant can see, lifted by recency. Pure, and without
//! any figure about other tenants, so that nobody's ranking depends on what others store.

/// How fast repetitions of a word stop counting.
const K1: f64 = 1.2;
/// How much the length of a text counts.
const B: f64 = 0.75;
/// How much a memory of this moment gains over an old one.
const RECENCY_WEIGHT: f64 = 0.5;
/// Half-life of that gain, in days.
const RECENCY_HALF_LIFE_DAYS: f64 = 30.0;
const DAY_US: f64 = 86_400_000_000.0;

/// What is visible, in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Corpus {
    /// Memories.
    pub documents: u64,
    /// Words in all of them.
    pub terms: u64,
}

/// Gain of one word for one text: `frequency` times in a text of `length` words, and in `containing` texts at all.
pub fn bm25(corpus: Corpus, containing: u64, frequency: u64, length: u64) -> f64 {
    let (documents, containing) = (corpus.documents as f64, containing as f64);
    let rarity = (1.0 + (documents - containing + 0.5).max(0.0) / (containing + 0.5)).ln();
    let average = (corpus.terms as f64 / documents.max(1.0)).max(1.0);
    let frequency = frequency as f64;
    rarity * frequency * (K1 + 1.0) / (frequency + K1 * (1.0 - B + B * length as f64 / average))
}

/// Lifts a relevance by the age of the memory, in microseconds.
pub fn with_recency(relevance: f64, age_us: i64) -> f64 {
    let days = age_us.max(0) as f64 / DAY_US;
    relevance * (1.0 + RECENCY_WEIGHT * (-days / RECENCY_HALF_LIFE_DAYS).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: Corpus = Corpus { documents: 100, terms: 2_000 };

    #[test]
    fn rare_words_short_texts_repetitions_and_news_win() {
        assert!(bm25(CORPUS, 1, 1, 20) > bm25(CORPUS, 50, 1, 20));
        assert!(bm25(CORPUS, 5, 1, 10) > bm25(CORPUS, 5, 1, 40));
        assert!(bm25(CORPUS, 5, 3, 20) > bm25(CORPUS, 5, 1, 20));
        assert!(with_recency(1.0, 0) > with_recency(1.0, 86_400_000_000 * 30));
        assert!(bm25(CORPUS, 100, 1, 20) > 0.0, "a word in every text still counts");
    }
}
