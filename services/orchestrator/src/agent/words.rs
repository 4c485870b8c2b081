//! Words of a text that tell one subject from another. No list here is about incidents or teams.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

/// Longest word that is compared, in bytes.
const MAX_WORD_BYTES: usize = 48;
/// Most words of one text.
const MAX_WORDS: usize = 2_000;
/// Longest topic, in bytes; with its prefix it fits a tag.
const MAX_TOPIC_BYTES: usize = 48;

const COMMON: &str = " a about above after again all also an and any are around as at be because been before being below \
between both but by can could did do does doing done down during each even every few find first for from further get got \
had has have having he her here him his how i if in into is it its itself just last let like made make many me more most \
much my near new no nobody nor not now of off on once one only or other our out over own per please same she should since \
so some still such take than that the their them then there these they this those through to together too two under until \
up us use used using very was way we were what when where which while who whole why will with without work would yet you \
your report write plan make need needs want help prepare run \
der die das und oder ein eine ist war wir sie nicht mit von zu für auf den dem des im am bei nach aus es \
el la los las y de que en un una con por para no se del al fue \
le les et des du dans pour par sur pas est une qui que ";

/// The words of `text` that carry meaning, lower case, without common ones and without numbers.
pub(crate) fn significant(text: &str) -> BTreeSet<String> {
    ordered(text).into_iter().collect()
}

/// The same in the order of the text, repeated as they repeat.
pub(crate) fn ordered(text: &str) -> Vec<String> {
    text.split(|character: char| !(character.is_alphanumeric() || matches!(character, '-' | '_')))
        .map(|word| word.trim_matches(['-', '_']))
        .filter(|word| word.chars().nth(2).is_some() && word.len() <= MAX_WORD_BYTES)
        .filter(|word| word.chars().any(char::is_alphabetic) && !word.starts_with(|first: char| first.is_ascii_digit()))
        .map(|word| stem(&word.to_lowercase()))
        .filter(|word| !is_common(word))
        .take(MAX_WORDS)
        .collect()
}

fn is_common(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| COMMON.split(' ').collect());
    WORDS.contains(word)
}

/// One form for singular and plural.
fn stem(word: &str) -> String {
    match word.strip_suffix('s') {
        Some(one) if one.len() > 3 && !one.ends_with(['s', 'u', 'i']) => one.to_owned(),
        _ => word.to_owned(),
    }
}

/// How much two sets share, 0 to 1 of the smaller one.
pub(crate) fn overlap(left: &BTreeSet<String>, right: &BTreeSet<String>) -> f64 {
    let smaller = left.len().min(right.len());
    if smaller == 0 { 0.0 } else { left.intersection(right).count() as f64 / smaller as f64 }
}

/// The topic of an intent as a tag: its first meaningful words.
pub fn topic(intent: &str) -> Option<String> {
    let mut topic = String::new();
    for word in ordered(intent).into_iter().take(4) {
        if topic.len() + word.len() + 1 > MAX_TOPIC_BYTES {
            break;
        }
        if !topic.is_empty() {
            topic.push('-');
        }
        topic.push_str(&word);
    }
    (!topic.is_empty()).then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_what_an_intent_is_about_and_fits_a_tag() {
        assert_eq!(topic("Find out why the checkout failed on Friday").as_deref(), Some("checkout-failed-friday"));
        assert_eq!(topic("the of 12"), None);
        assert!(topic(&"verylongword ".repeat(50)).is_some_and(|topic| topic.len() <= MAX_TOPIC_BYTES));
    }

    #[test]
    fn singular_and_plural_are_one_word() {
        assert_eq!(significant("timeouts, Timeout; status"), ["status", "timeout"].map(String::from).into());
    }
}
