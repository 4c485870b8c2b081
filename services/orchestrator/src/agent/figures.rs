//! Numbers with their unit, as a text states them.

use super::Evidence;
use super::lexicon::LEXICON;
use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Range;

/// A number that the text names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// The number with its unit, as written.
    pub value: String,
    /// Line of the text, from 1.
    pub line: usize,
    /// The statement that names it.
    pub text: String,
}

/// Returns the first `most` different numbers of `statements`.
pub(crate) fn figures<'a>(statements: impl IntoIterator<Item = &'a Evidence>, most: usize) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    for statement in statements {
        for range in LEXICON.words.figure.find_all(&statement.text) {
            let value = &statement.text[range.clone()];
            let is_new = figures.iter().all(|figure| figure.value != value);
            if is_new && figures.len() < most && stands_alone(&statement.text, &range) {
                figures.push(Figure { value: value.to_owned(), line: statement.line, text: statement.text.clone() });
            }
        }
    }
    figures
}

/// Returns false if the number is a part of a time, a name or an address: `2 orders` in `web-2 orders-worker`.
pub(crate) fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let is_joint = |before: char| before.is_alphanumeric() || ":-/._#=".contains(before);
    !text[..range.start].ends_with(is_joint) && !text[range.end..].starts_with(['-', '_', '='])
}
