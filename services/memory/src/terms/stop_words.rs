//! The stop words of a query, from `fixtures/lexicon/stop-words.toml`. The file has several languages, and a query uses the list of one.

use super::fold;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "the date is for the reader of the file")]
    date: String,
    words: BTreeMap<String, String>,
}

static LISTS: LazyLock<Vec<HashSet<String>>> = LazyLock::new(|| {
    let file: File =
        toml::from_str(include_str!("../../../../fixtures/lexicon/stop-words.toml")).expect("a test reads this file");
    let mut lists = file.words;
    let english = lists.remove("en").unwrap_or_default();
    std::iter::once(english)
        .chain(lists.into_values())
        .map(|list| list.split_whitespace().map(str::to_owned).collect())
        .collect()
});

/// Returns the list that has most of the words; the English one if several have the same number.
// Not all lists at once: "die", "war" and "son" are stop words of one language and subjects in another.
pub(super) fn of_language<'a>(words: impl Iterator<Item = &'a str>) -> &'static HashSet<String> {
    let words: Vec<String> = words.map(fold::without_accents).collect();
    let mut best = (0, &LISTS[0]);
    for list in LISTS.iter() {
        let count = words.iter().filter(|word| list.contains(word.as_str())).count();
        if count > best.0 {
            best = (count, list);
        }
    }
    best.1
}
