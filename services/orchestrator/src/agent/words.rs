//! Words that distinguish one subject from another.

use super::lexicon::LEXICON;
use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

/// Longest word. Longer ones are skipped, because they are ids or data.
const MAX_WORD_BYTES: usize = 48;
const MAX_WORDS: usize = 2_000;
/// Every word but the last has at least three bytes and a separator, so a text of fewer bytes has fewer words than [`MAX_WORDS`].
const COUNTED_BYTES: usize = 4 * MAX_WORDS;
/// Longest topic. With the prefix `topic:` it fits a tag.
const MAX_TOPIC_BYTES: usize = 48;

/// Returns the distinguishing words of `text`, in lower case and in the singular, without common words and numbers.
pub(crate) fn significant(text: &str) -> BTreeSet<String> {
    ordered(text).into_iter().collect()
}

/// Returns the words of [`significant`] in the order of the text, with repetitions.
pub(crate) fn ordered(text: &str) -> Vec<String> {
    words(text).map(|word| stem(word.to_lowercase())).filter(|word| !is_common(word)).take(MAX_WORDS).collect()
}

/// Returns those of the words `wanted`, made by [`significant`], that [`significant`] finds in `text` as well.
pub(crate) fn shared<'w>(text: &str, wanted: &'w BTreeSet<String>) -> BTreeSet<&'w str> {
    let mut shared = BTreeSet::new();
    // One buffer for all words: a string for each word of each memory was a large part of what an agent cost.
    let mut buffer = String::new();
    // A long text ends at the same word as in `ordered`, because it is read on a thread that serves calls.
    let is_long = text.len() >= COUNTED_BYTES;
    let mut left = MAX_WORDS;
    for word in words(text) {
        buffer.clear();
        if word.is_ascii() {
            buffer.push_str(word);
            buffer.make_ascii_lowercase();
        } else {
            buffer.push_str(&word.to_lowercase());
        }
        buffer = stem(buffer);
        shared.extend(wanted.get(buffer.as_str()).map(String::as_str));
        if is_long && !is_common(&buffer) {
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    shared
}

/// Returns the words that may distinguish a subject, as they are written.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !(character.is_alphanumeric() || matches!(character, '-' | '_')))
        .map(|word| word.trim_matches(['-', '_']))
        .filter(|word| word.chars().nth(2).is_some() && word.len() <= MAX_WORD_BYTES)
        .filter(|word| word.chars().any(char::is_alphabetic) && !word.starts_with(|first: char| first.is_ascii_digit()))
}

fn is_common(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| LEXICON.words.common.split_whitespace().collect());
    WORDS.contains(word)
}

fn stem(mut word: String) -> String {
    let is_plural = word.strip_suffix('s').is_some_and(|one| one.len() > 3 && !one.ends_with(['s', 'u', 'i']));
    if is_plural {
        word.pop();
    }
    word
}

/// Returns the share of the smaller set that is also in the other one, from 0 to 1.
pub(crate) fn overlap(left: &BTreeSet<String>, right: &BTreeSet<String>) -> f64 {
    let smaller = left.len().min(right.len());
    if smaller == 0 { 0.0 } else { left.intersection(right).count() as f64 / smaller as f64 }
}

/// Returns the first distinguishing words of an intent, joined by `-`. `None` if it has none.
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
    fn shared_words_are_those_of_both_texts() {
        let wanted = significant("The checkout-api had TIMEOUTS in München");
        for text in ["a timeout, and timeouts of Checkout-API near MÜNCHEN", "nothing", "the had in", ""] {
            let both = significant(text);
            let both: BTreeSet<&str> = both.intersection(&wanted).map(String::as_str).collect();
            assert_eq!(shared(text, &wanted), both, "{text}");
        }
        assert_eq!(shared("Timeouts in München", &wanted).len(), 2);
    }

    #[test]
    fn no_more_of_a_long_text_is_read_for_shared_words() {
        let filler = |words: usize| (0..words).map(|number| format!("the word{number} ")).collect::<String>();
        let wanted = significant("timeout");
        for (before, expected) in [(MAX_WORDS - 1, 1), (MAX_WORDS, 0)] {
            let text = filler(before) + "timeout";
            assert_eq!(significant(&text).contains("timeout"), expected == 1);
            assert_eq!(shared(&text, &wanted).len(), expected, "after {before} words");
        }
    }

    #[test]
    fn singular_and_plural_are_one_word() {
        assert_eq!(significant("timeouts, Timeout; status"), ["status", "timeout"].map(String::from).into());
    }
}
