//! The normal form that all detectors read. It has no zero-width characters, and compatibility characters (full width, mathematical, circled,
//! no-break spaces) are replaced by plain ones. Each place maps back to the original text. Text that is already plain is not copied.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;
use std::sync::LazyLock;
use unicode_normalization::char::{decompose_canonical, decompose_compatible, is_combining_mark};

/// Longest replacement of one character; the compatibility forms of a few characters are whole sentences.
const MAX_FORM: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    date: String,
    always: BTreeMap<char, String>,
    among_latin: BTreeMap<char, String>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../fixtures/lexicon/confusables.toml")).expect("a test reads this file")
});
static ALWAYS: LazyLock<HashMap<char, char>> = LazyLock::new(|| by_twin(&TABLE.always));
static AMONG_LATIN: LazyLock<HashMap<char, char>> = LazyLock::new(|| by_twin(&TABLE.among_latin));

fn by_twin(table: &BTreeMap<char, String>) -> HashMap<char, char> {
    table.iter().flat_map(|(letter, twins)| twins.chars().map(|twin| (twin, *letter))).collect()
}

pub(super) fn table_date() -> &'static str {
    &TABLE.date
}

/// A text in its normal form.
#[derive(Debug, Clone)]
pub(super) struct Normal<'t> {
    pub(super) text: Cow<'t, str>,
    places: OffsetMap,
}

/// For each byte of a normal form, the start and end of its original character; `None` if normal form and text are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct OffsetMap(Option<Rc<[(u32, u32)]>>);

impl<'t> Normal<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let plain = |letter: char| letter.is_ascii() || !is_invisible(letter) && form(letter).is_none();
        if text.is_ascii() || text.chars().all(plain) {
            return Self { text: Cow::Borrowed(text), places: OffsetMap::default() };
        }
        let (mut normal, mut places) = (String::with_capacity(text.len()), Vec::with_capacity(text.len()));
        for (at, letter) in text.char_indices() {
            if !letter.is_ascii() && is_invisible(letter) {
                continue;
            }
            match form(letter) {
                Some(form) => normal.push_str(&form),
                None => normal.push(letter),
            }
            places.resize(normal.len(), (at as u32, (at + letter.len_utf8()) as u32));
        }
        Self { text: Cow::Owned(normal), places: OffsetMap(Some(places.into())) }
    }

    pub(super) fn places(&self) -> OffsetMap {
        self.places.clone()
    }
}

impl OffsetMap {
    /// Returns the place in the original text for a place in the normal form.
    pub(super) fn back(&self, place: Range<usize>) -> Range<usize> {
        let Some(places) = &self.0 else { return place };
        let start = places.get(place.start).map(|(start, _)| *start as usize);
        let end = place.end.checked_sub(1).and_then(|last| places.get(last.min(places.len().saturating_sub(1))));
        match (start, end) {
            (Some(start), Some((_, end))) => start..*end as usize,
            _ => 0..0,
        }
    }
}

/// The plain characters that a character stands for, if they are all in ASCII.
fn form(letter: char) -> Option<String> {
    if letter.is_ascii() {
        return None;
    }
    // The letters of which flags are made.
    if let '\u{1f1e6}'..='\u{1f1ff}' = letter {
        return char::from_u32('a' as u32 + (letter as u32 - 0x1f1e6)).map(String::from);
    }
    let mut form = String::new();
    decompose_compatible(letter, |part| form.push(part));
    (form.is_ascii() && (1..=MAX_FORM).contains(&form.len())).then_some(form)
}

/// Characters without a width.
pub(super) fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the letter in lower case without accents, replaced by the Latin letter that it always looks like; `None` for an accent.
pub(super) fn base(letter: char) -> Option<char> {
    if is_combining_mark(letter) {
        return None;
    }
    if let Some(form) = form(letter) {
        return form.chars().next().map(|letter| letter.to_ascii_lowercase());
    }
    let mut base = letter;
    // The syllables of Korean are letters of their own.
    if !matches!(letter, '\u{ac00}'..='\u{d7a3}') {
        let mut first = None;
        decompose_canonical(letter, |part| _ = first.get_or_insert(part));
        base = first.unwrap_or(letter);
    }
    let mut small = base.to_lowercase();
    let base = match (small.next(), small.next()) {
        (Some(small), None) if small.len_utf8() <= letter.len_utf8() => small,
        _ => base,
    };
    Some(ALWAYS.get(&base).copied().unwrap_or(base))
}

/// The Latin letter that a letter of another script looks like.
pub(super) fn twin(letter: char) -> Option<char> {
    AMONG_LATIN.get(&letter).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plain_text_is_its_own_normal_form() {
        assert!(matches!(Normal::of("Grüße, 東京 и мир").text, Cow::Borrowed(_)));
        let normal = Normal::of("a\u{200b}\u{ff22}\u{a0}\u{1d41c}é");
        assert_eq!(normal.text, "aB cé");
        assert_eq!((normal.places().back(0..2), normal.places().back(3..4)), (0..7, 9..13));
    }

    #[test]
    fn the_letters_of_the_tables_are_folded() {
        assert!(TABLE.date.parse::<jiff::civil::Date>().is_ok());
        let folded: String = "ᴀÉớđŁß".chars().filter_map(base).collect();
        assert_eq!(folded, "aeodls");
        assert_eq!((base('\u{301}'), twin('о'), base('한')), (None, Some('o'), Some('한')));
    }

    proptest! {
        #[test]
        fn every_range_maps_back_into_the_text(text in "\\PC{0,40}|[a\u{200b}\u{ff22}é\u{2460}]{0,40}") {
            let normal = Normal::of(&text);
            for (start, letter) in normal.text.char_indices() {
                let place = normal.places().back(start..start + letter.len_utf8());
                prop_assert!(text.get(place.clone()).is_some_and(|from| !from.is_empty()), "{:?}", place);
            }
        }
    }
}
