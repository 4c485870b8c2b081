//! The words of SQL, from `fixtures/lexicon/sql.toml`. What a word means for a statement is not decided here.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlWords {
    pub(super) date: String,
    pub(super) harmless: Vec<String>,
    pub(super) verbs: Vec<String>,
    pub(super) starts: Vec<String>,
    pub(super) runs: Vec<String>,
    pub(super) data: Vec<String>,
    pub(super) openers: Vec<String>,
    pub(super) clauses: Vec<String>,
    pub(super) explains: Vec<String>,
    pub(super) unless: BTreeMap<String, Vec<String>>,
    pub(super) containers: BTreeMap<String, Vec<String>>,
    pub(super) objects: BTreeMap<String, Vec<String>>,
    kept: HarmlessDrops,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HarmlessDrops {
    words: Vec<String>,
}

pub(super) static WORDS: LazyLock<SqlWords> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../../fixtures/lexicon/sql.toml")).expect("a test reads this file")
});

impl SqlWords {
    pub(super) fn harmless_drops(&self) -> &[String] {
        &self.kept.words
    }
}

/// Returns true if `word`, in any case, is one of the words.
pub(super) fn is_one(words: &[String], word: &str) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_in_small_letters_and_dated() {
        let words = &*WORDS;
        assert!(words.date.parse::<jiff::civil::Date>().is_ok());
        let lists = [&words.harmless, &words.verbs, &words.starts, &words.runs, &words.data, &words.clauses];
        let objects = words.containers.values().chain(words.objects.values());
        for word in lists.into_iter().chain(objects).flatten() {
            assert_eq!(word, &word.to_lowercase());
        }
        assert!(words.verbs.iter().all(|verb| !words.harmless_drops().contains(verb)));
    }
}
