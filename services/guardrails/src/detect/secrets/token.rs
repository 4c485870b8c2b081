//! Tokens with a vendor's prefix, from the table `fixtures/lexicon/tokens.toml`. A token that looks typed by hand is an example and is not reported.
//! Names of vendors are only in the table.

use super::Secret;
use super::entropy::bits;
use super::placeholder::is_placeholder;
use crate::detect::near::{byte, window};
use mcp_contracts::guardrails::Severity;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Minimum entropy of the text after a mark, in bits per byte.
const MIN_BITS: f64 = 2.7;
/// The length of keys that are a UUID behind their mark.
const UUID_LENGTH: (usize, usize) = (36, 36);
/// The separator of parts.
const FULL_STOP: char = '.';

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    date: String,
    tokens: Vec<Token>,
}

/// A kind of token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    kind: String,
    marks: Vec<String>,
    signs: TokenAlphabet,
    length: (usize, usize),
    before: Option<Before>,
    #[serde(default)]
    parts: Vec<(usize, usize)>,
    by: Option<char>,
    #[serde(default = "critical")]
    severity: Severity,
    bits: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    signs: TokenAlphabet,
    length: (usize, usize),
}

/// Which ASCII characters belong to a token.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct TokenAlphabet([bool; 128]);

impl TryFrom<String> for TokenAlphabet {
    type Error = &'static str;

    /// Reads a class such as `A-Za-z0-9_-`; a hyphen at the end is one of the characters.
    fn try_from(class: String) -> Result<Self, Self::Error> {
        let (bytes, mut signs, mut at) = (class.as_bytes(), [false; 128], 0);
        while let Some(first) = bytes.get(at).copied() {
            let last = match bytes.get(at + 1..at + 3) {
                Some([b'-', last]) if last.is_ascii_alphanumeric() && first.is_ascii_alphanumeric() => *last,
                _ => first,
            };
            at += if last == first { 1 } else { 3 };
            signs.get_mut(usize::from(first)..=usize::from(last)).ok_or("a class of ASCII characters")?.fill(true);
        }
        Ok(Self(signs))
    }
}

impl TokenAlphabet {
    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

fn critical() -> Severity {
    Severity::Critical
}

/// The date of the table, and for each mark the kinds of token that have it.
pub(super) struct Tokens {
    pub(super) date: String,
    pub(super) by_mark: BTreeMap<String, Vec<&'static Token>>,
}

pub(super) static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        toml::from_str(include_str!("../../../../../fixtures/lexicon/tokens.toml")).expect("a test reads this file")
    });
    let mut by_mark: BTreeMap<String, Vec<&'static Token>> = BTreeMap::new();
    for token in &TABLE.tokens {
        for mark in &token.marks {
            by_mark.entry(mark.clone()).or_default().push(token);
        }
    }
    Tokens { date: TABLE.date.clone(), by_mark }
});

/// Reads the token whose mark is at `start`.
pub(super) fn read(text: &str, start: usize, mark: &str, kinds: &[&'static Token]) -> Option<Secret> {
    kinds.iter().find_map(|token| token.read(text, start, mark))
}

impl Token {
    fn read(&'static self, text: &str, mark: usize, word: &str) -> Option<Secret> {
        let start = match &self.before {
            Some(before) => before.start(text, mark)?,
            None => mark,
        };
        let left = byte(text, start.checked_sub(1));
        let inside = word.contains('/') || word.ends_with('=');
        if !inside && (left.is_ascii_alphanumeric() || left == b'_') {
            return None;
        }
        let after = mark + word.len();
        let body = window(text, after, self.length.1 + 1);
        let mut length = body.bytes().take_while(|byte| self.signs.has(*byte)).count();
        // A full stop or hyphen at the end belongs to the sentence around the token.
        length = body[..length].trim_end_matches(['.', '-']).len();
        let right = byte(text, Some(after + length));
        if !(self.length.0..=self.length.1).contains(&length) || right.is_ascii_alphanumeric() || right == b'_' {
            return None;
        }
        // The part before the mark is as random as the part after it.
        let body = if self.before.is_some() { &text[start..after + length] } else { &body[..length] };
        let real = bits(body) >= self.bits.unwrap_or(MIN_BITS)
            // Without its mark a value in the form of a UUID is an id, and `is_placeholder` takes it for one.
            && (self.length == UUID_LENGTH || !is_placeholder(body))
            && body.bytes().any(|byte| byte.is_ascii_digit())
            && self.has_parts(body);
        real.then_some(Secret { kind: &self.kind, severity: self.severity, place: start..after + length })
    }

    fn has_parts(&self, body: &str) -> bool {
        if self.parts.is_empty() {
            return true;
        }
        let mut parts = body.split(self.by.unwrap_or(FULL_STOP)).map(str::len);
        let fits =
            self.parts.iter().all(|(least, most)| parts.next().is_some_and(|part| (*least..=*most).contains(&part)));
        fits && parts.next().is_none()
    }
}

impl Before {
    fn start(&self, text: &str, mark: usize) -> Option<usize> {
        let signs = text.as_bytes()[..mark].iter().rev().take(self.length.1 + 1);
        let length = signs.take_while(|byte| self.signs.has(**byte)).count();
        (self.length.0..=self.length.1).contains(&length).then(|| mark - length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_dated_and_names_no_mark_twice_for_a_kind() {
        let tokens = &*TOKENS;
        assert!(tokens.date.parse::<jiff::civil::Date>().is_ok() && tokens.by_mark.len() > 200);
        for (mark, kinds) in &tokens.by_mark {
            assert!(mark.len() > 1 && kinds.iter().all(|kind| kind.length.0 <= kind.length.1), "{mark}");
        }
    }

    #[test]
    fn classes_are_read_as_in_a_regular_expression() {
        let signs = TokenAlphabet::try_from("a-f0-9_-".to_owned()).unwrap();
        let has: String = (0..128).map(char::from).filter(|sign| signs.has(*sign as u8)).collect();
        assert_eq!(has, "-0123456789_abcdef");
        assert!(TokenAlphabet::try_from("é".to_owned()).is_err());
    }
}
