//! The texts that operations write and search for: English entries of the corpora.

use rand::{Rng, RngExt as _};

/// Minimum length of a word in a search, in bytes.
const MIN_QUERY_WORD: usize = 5;

const CORPORA: &[&str] = &[include_str!("../../../../../fixtures/corpora/on-call-notes.txt")];

/// Entries to write and words to search for.
#[derive(Debug)]
pub struct Corpus {
    entries: Vec<&'static str>,
}

impl Corpus {
    pub(super) fn built_in() -> Self {
        Self::new(CORPORA)
    }

    /// Reads corpora: one entry per line; empty lines and lines that begin with `#` are ignored.
    fn new(texts: &[&'static str]) -> Self {
        let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
        let entries: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(!entries.is_empty(), "the corpora are part of this program");
        Self { entries }
    }

    pub(super) fn entry(&self, rng: &mut impl Rng) -> &'static str {
        self.entries[rng.random_range(0..self.entries.len())]
    }

    /// Returns a search for two words of one entry.
    pub(super) fn words(&self, rng: &mut impl Rng) -> String {
        let entry = self.entry(rng);
        let (first, second) = (rng.random::<u32>() as usize, rng.random::<u32>() as usize);
        let words = || {
            entry.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() >= MIN_QUERY_WORD && word.is_ascii())
        };
        let count = words().count().max(1);
        let mut query = words().nth(first % count).unwrap_or("review").to_owned();
        if let Some(word) = words().nth(second % count).filter(|_| first % count != second % count) {
            query.push(' ');
            query.push_str(word);
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::Corpus;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    const TEXT: &str = "# a comment\n\nThe deploy of Friday was rolled back.\nOn-call found the cache cold.\n";

    #[test]
    fn queries_are_words_of_the_corpus() {
        let corpus = Corpus::new(&[TEXT]);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..50 {
            let query = corpus.words(&mut rng);
            assert!(query.split(' ').count() <= 2 && query.split(' ').all(|word| TEXT.contains(word)), "{query}");
        }
    }
}
