//! Accounts at banks (IBAN, ISO 13616), from the table `fixtures/lexicon/accounts.toml`: the length that the country has, and the check digits.

use super::Personal;
use super::checksum;
use super::number::Number;
use crate::detect::near::{byte, window};
use mcp_contracts::guardrails::Severity::High;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Longest account with a separator after every fourth sign, in bytes.
const MAX_BYTES: usize = 80;
/// Most separators in a row.
const MAX_GAP: usize = 2;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) date: String,
    /// Countries by length.
    registered: BTreeMap<String, Vec<String>>,
    used: BTreeMap<String, Vec<String>>,
}

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../../fixtures/lexicon/accounts.toml")).expect("a test reads this file")
});

static LENGTHS: LazyLock<BTreeMap<&str, usize>> = LazyLock::new(|| {
    let countries = TABLE.registered.iter().chain(&TABLE.used);
    let lengths = countries.map(|(length, countries)| (length.parse().expect("a test reads these"), countries));
    lengths.flat_map(|(length, countries)| countries.iter().map(move |country| (country.as_str(), length))).collect()
});

/// Reads the account whose check digits the number begins with.
pub(super) fn read(number: &Number<'_>) -> Option<Personal> {
    let start = number.start.checked_sub(2)?;
    let country = number.text.get(start..number.start)?.to_ascii_uppercase();
    let length = *LENGTHS.get(country.as_str())?;
    if byte(number.text, start.checked_sub(1)).is_ascii_alphanumeric() {
        return None;
    }
    let (mut account, mut end, mut gap) = (String::with_capacity(length), start, 0);
    for (at, sign) in window(number.text, start, MAX_BYTES).char_indices() {
        if account.len() == length {
            break;
        }
        match sign {
            sign if sign.is_ascii_alphanumeric() => {
                account.push(sign.to_ascii_uppercase());
                end = start + at + 1;
                gap = 0;
            }
            ' ' | '-' | '.' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' if gap < MAX_GAP => gap += 1,
            _ => return None,
        }
    }
    let whole = account.len() == length && !byte(number.text, Some(end)).is_ascii_alphanumeric();
    (whole && checksum::iban(&account)).then(|| number.matched("iban", High, start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dated_and_holds_the_whole_registry() {
        let registered: usize = TABLE.registered.values().map(Vec::len).sum();
        let used: usize = TABLE.used.values().map(Vec::len).sum();
        assert!(TABLE.date.parse::<jiff::civil::Date>().is_ok() && registered == 89);
        assert_eq!(LENGTHS.len(), registered + used, "a country is named twice");
        assert!(LENGTHS.iter().all(|(country, length)| country.len() == 2 && (15..=34).contains(length)));
    }
}
