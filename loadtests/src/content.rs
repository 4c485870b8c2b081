//! What is written and how it is recognised: English entries of the corpora, each ending with the canary of its writer.

use crate::directory::{Directory, Identity};
use harness_history::op::{Canary, RecordState};
use rand::{Rng, RngExt as _};
use std::fmt::Write as _;
use xxhash_rust::xxh3::xxh3_64;

/// What a canary begins with.
const CANARY: &str = "canary:";
/// Shortest word that is searched for, in bytes.
const MIN_QUERY_WORD: usize = 5;

/// The corpora, in one program with those who write them.
const CORPORA: &[&str] = &[include_str!("../../fixtures/corpora/on-call-notes.txt")];

/// Entries to write and words to search for.
#[derive(Debug)]
pub(crate) struct Corpus {
    entries: Vec<&'static str>,
}

impl Corpus {
    /// The corpora that come with the program.
    pub(crate) fn built_in() -> Self {
        Self::new(CORPORA)
    }

    /// Reads corpora: one entry per line, lines with `#` and empty ones are passed over.
    pub(crate) fn new(texts: &[&'static str]) -> Self {
        let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
        let entries: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(!entries.is_empty(), "the corpora are part of this program");
        Self { entries }
    }

    fn entry(&self, rng: &mut impl Rng) -> &'static str {
        self.entries[rng.random_range(0..self.entries.len())]
    }

    /// Writes the content of a new memory into `content`, in place of what is there.
    pub(crate) fn compose(
        &self,
        rng: &mut impl Rng,
        writer: &Identity,
        shared: bool,
        number: u64,
        content: &mut String,
    ) {
        content.clear();
        content.push_str(self.entry(rng));
        let visibility = if shared { 'w' } else { 'p' };
        write!(content, " {CANARY}{}/{}/{visibility}/{number}", writer.tenant, writer.user)
            .expect("a string takes every write");
    }

    /// Writes a search for two words of some entry into `query`, in place of what is there.
    pub(crate) fn query(&self, rng: &mut impl Rng, query: &mut String) {
        query.clear();
        let entry = self.entry(rng);
        let (first, second) = (rng.random::<u32>() as usize, rng.random::<u32>() as usize);
        let words = || {
            entry.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() >= MIN_QUERY_WORD && word.is_ascii())
        };
        let count = words().count().max(1);
        query.push_str(words().nth(first % count).unwrap_or("review"));
        if let Some(word) = words().nth(second % count).filter(|_| first % count != second % count) {
            query.push(' ');
            query.push_str(word);
        }
    }
}

/// What the harness remembers of a content: its digest, and the canary at its end.
pub(crate) fn seen(content: &str, directory: &Directory) -> RecordState {
    let last = content.rsplit(char::is_whitespace).next().unwrap_or_default();
    RecordState::of_content(xxh3_64(content.as_bytes()), canary(last, directory))
}

fn canary(text: &str, directory: &Directory) -> Option<Canary> {
    let mut parts = text.strip_prefix(CANARY)?.split('/');
    let (tenant, user) = (parts.next()?, parts.next()?);
    let shared = match parts.next()? {
        "p" => false,
        "w" => true,
        _ => return None,
    };
    let number = parts.next()?.parse().ok()?;
    parts.next().is_none().then(|| Canary {
        tenant: directory.name(tenant),
        user: directory.name(user),
        workspace: None,
        shared,
        number,
    })
}

#[cfg(test)]
mod tests {
    use super::{Corpus, Directory, seen};
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    const TEXT: &str = "# a comment\n\nThe deploy of Friday was rolled back.\nOn-call found the cache cold.\n";

    #[test]
    fn a_written_content_is_recognised_by_its_canary() {
        let (corpus, directory) = (Corpus::new(&[TEXT]), Directory::new(1, 3, 2));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut content = String::new();
        for (number, shared) in [(0, true), (17, false)] {
            corpus.compose(&mut rng, &directory.identities()[2], shared, number, &mut content);
            let canary = seen(&content, &directory).canary.expect("a canary");
            assert_eq!((canary.number, canary.shared, &*canary.user), (number, shared, "user-002"));
            assert_eq!(canary.tenant, directory.identities()[2].tenant);
        }
    }

    #[test]
    fn a_content_of_somebody_else_has_a_digest_and_no_canary() {
        let directory = Directory::new(1, 1, 1);
        for content in ["", "hello", "canary:a/b/x/1", "canary:a/b/p", "canary:a/b/p/1/2", "canary:a/b/p/1 more"] {
            assert_eq!(seen(content, &directory).canary, None, "{content}");
        }
        assert_ne!(seen("a", &directory).digest, seen("b", &directory).digest);
    }

    #[test]
    fn queries_are_words_of_the_corpus() {
        let corpus = Corpus::new(&[TEXT]);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut query = String::new();
        for _ in 0..50 {
            corpus.query(&mut rng, &mut query);
            assert!(query.split(' ').count() <= 2 && query.split(' ').all(|word| TEXT.contains(word)), "{query}");
        }
    }
}
