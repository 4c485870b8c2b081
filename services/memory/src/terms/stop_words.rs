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

/// Number of words by which another list must exceed the English one.
// One word is no evidence: "war" and "son" are subjects of English questions and stop words elsewhere.
const MARGIN: usize = 2;

/// Returns the list that contains the most words of the query. It is the English one unless another list contains at least [`MARGIN`] more.
// The lists are not merged, for the same reason: a stop word of one language is a subject in another.
pub(super) fn of_language<'a>(words: impl Iterator<Item = &'a str>) -> &'static HashSet<String> {
    let words: Vec<String> = words.map(|word| fold::without_accents(word).into_owned()).collect();
    let count = |list: &HashSet<String>| words.iter().filter(|word| list.contains(word.as_str())).count();
    let mut best = (count(&LISTS[0]) + MARGIN - 1, &LISTS[0]);
    for list in &LISTS[1..] {
        let count = count(list);
        if count > best.0 {
            best = (count, list);
        }
    }
    best.1
}
