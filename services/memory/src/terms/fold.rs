//! Brings words to one form: compatibility characters (NFKC), case, accents and endings. Nothing here decides where a word begins.

use super::MAX_TERM_BYTES;
use rust_stemmers::{Algorithm, Stemmer};
use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Returns the text in NFKC: full-width letters, ligatures and composed accents have one form.
pub(super) fn compatible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfkc().collect())
}

/// Folds the case and cuts what is too long.
pub(super) fn case(word: &str) -> String {
    let mut folded = if word.is_ascii() {
        word.to_ascii_lowercase()
    } else {
        // Through upper case, which unites what lower case keeps apart: `ß` and `ss`, the two small sigmas, `ı` and `i`.
        let lower = word.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        // The lower case of `İ` has a dot of its own.
        lower.filter(|c| *c != '\u{307}').nfc().collect()
    };
    folded.truncate(folded.floor_char_boundary(MAX_TERM_BYTES));
    folded
}

/// Returns the term of a word in one case.
pub(super) fn term(spelling: &str) -> String {
    let plain = without_accents(spelling);
    let algorithm = if plain.bytes().all(|byte| byte.is_ascii_lowercase()) {
        // English, also for other languages in Latin letters: what it cuts off a word of another language, it cuts off the query as well.
        Algorithm::English
    } else if plain.chars().all(|c| matches!(c, '\u{400}'..='\u{45f}')) {
        Algorithm::Russian
    } else if plain.chars().all(|c| matches!(c, '\u{621}'..='\u{64a}')) {
        Algorithm::Arabic
    } else {
        return plain.into_owned();
    };
    let plain: &str = if algorithm == Algorithm::Arabic { without_article(&plain) } else { &plain };
    let stem = Stemmer::create(algorithm).stem(plain);
    if stem.is_empty() { plain.to_owned() } else { stem.into_owned() }
}

/// Removes the Arabic article, with what is written onto it. The stemmer cuts other endings off a word with the article than without.
fn without_article(word: &str) -> &str {
    let rest = ["وال", "بال", "كال", "فال", "ال", "لل"].iter().find_map(|article| word.strip_prefix(article));
    // Shorter words begin with the same letters by themselves.
    rest.filter(|rest| rest.chars().count() >= 3).unwrap_or(word)
}

/// Removes accents and other marks that people leave out when they type.
pub(super) fn without_accents(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return Cow::Borrowed(word);
    }
    let mut plain = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            // `й` is a letter of its own, which people do not type as `и`.
            'й' => plain.push(c),
            'đ' => plain.push('d'),
            'ł' => plain.push('l'),
            'ø' => plain.push('o'),
            'ð' => plain.push('d'),
            'þ' => plain.push_str("th"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            // A syllable of Korean would come apart.
            '\u{ac00}'..='\u{d7a3}' => plain.push(c),
            _ => plain.extend(std::iter::once(c).nfd().filter(|c| !is_accent(*c))),
        }
    }
    Cow::Owned(plain.nfc().collect())
}

/// Returns true for marks of Latin, Greek and Cyrillic letters, and for the vowel signs of Hebrew and Arabic, which are usually not written. The
/// signs of other scripts are part of a word.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}
