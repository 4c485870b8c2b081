//! The text of a pattern with its placeholders. It is parsed once and filled many times. Values are inserted as they are and never parsed, so
//! that a value that looks like a placeholder stays a value.

use std::collections::{BTreeMap, BTreeSet};

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
/// Longest name of a variable, in bytes.
pub const MAX_NAME_BYTES: usize = 40;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(String),
}

/// A malformed placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Line of the text, from 0.
    pub line: usize,
    pub message: String,
}

impl Template {
    /// Parses a text; returns the template and every malformed placeholder.
    pub fn parse(text: &str) -> (Self, Vec<Malformed>) {
        let (mut parts, mut malformed) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(open) = rest.find(OPEN) {
            let line = || text[..text.len() - rest.len() + open].matches('\n').count();
            if open > 0 {
                parts.push(Piece::Text(rest[..open].to_owned()));
            }
            let after = &rest[open + OPEN.len()..];
            match after.find(CLOSE).map(|close| (&after[..close], &after[close + CLOSE.len()..])) {
                Some((name, next)) if is_name(name) => {
                    parts.push(Piece::Placeholder(name.to_owned()));
                    rest = next;
                }
                Some(_) | None => {
                    let message = "`{{` does not begin a `{{variable}}`; a name has lower-case letters, digits and `_`"
                        .to_owned();
                    malformed.push(Malformed { line: line(), message });
                    // Continues behind the `{{`, so that later placeholders are checked as well.
                    rest = after;
                }
            }
        }
        if !rest.is_empty() {
            parts.push(Piece::Text(rest.to_owned()));
        }
        (Self { parts }, malformed)
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Piece::Placeholder(name) => Some(name.as_str()),
                Piece::Text(_) => None,
            })
            .collect()
    }

    /// Fills every placeholder. A placeholder without a value becomes empty.
    pub fn fill(&self, values: &BTreeMap<&str, &str>) -> String {
        let text = |part: &Piece| match part {
            Piece::Text(text) => text.clone(),
            Piece::Placeholder(name) => values.get(name.as_str()).copied().unwrap_or_default().to_owned(),
        };
        self.parts.iter().map(text).collect()
    }

    /// Returns the text without the placeholders, for the index.
    pub fn plain(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Placeholder(_) => None,
        });
        // A space for each placeholder, so that the words around it stay apart.
        texts.collect::<Vec<_>>().join(" ")
    }
}

/// Returns true if `name` can be the name of a variable.
pub fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_never_parsed() {
        let template = Template::parse("{{a}} and {{b}}, {{a}}.").0;
        let values = BTreeMap::from([("a", "{{b}}"), ("b", "}} {{a}} $1 \\0")]);
        assert_eq!(template.fill(&values), "{{b}} and }} {{a}} $1 \\0, {{b}}.");
    }

    #[test]
    fn every_malformed_placeholder_is_reported_with_its_line() {
        let malformed = Template::parse("ok {{a}}\n{{ b }}\nx {{\n{{C}}").1;
        assert_eq!(malformed.iter().map(|place| place.line).collect::<Vec<_>>(), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn a_text_filled_with_its_own_placeholders_is_unchanged(pieces in prop::collection::vec("[a-z {}\n]{0,8}|\\{\\{[a-z]{1,3}\\}\\}", 0..12)) {
            let text = pieces.concat();
            let (template, malformed) = Template::parse(&text);
            if malformed.is_empty() {
                let own: Vec<(String, String)> = template.names().iter().map(|name| ((*name).to_owned(), format!("{{{{{name}}}}}"))).collect();
                let values = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                prop_assert_eq!(template.fill(&values), text);
            }
        }

        #[test]
        fn the_length_of_the_result_is_the_sum_of_its_parts(value in ".{0,40}") {
            let template = Template::parse("<{{x}}|{{x}}>").0;
            prop_assert_eq!(template.fill(&BTreeMap::from([("x", value.as_str())])), format!("<{value}|{value}>"));
        }
    }
}
