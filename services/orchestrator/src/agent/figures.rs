//! Numbers with their unit, found in statements. Times of day are `moment`'s.

use super::Evidence;
use super::lexicon::expression;
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::LazyLock;

/// A number that the text names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// The number with its unit, as written.
    pub value: String,
    /// Line of the text, from 1.
    pub line: usize,
    /// The statement around it.
    pub text: String,
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r"(?i)(?:[$€£]\s?\d[\d,.']*(?:\s?(?:k|m|bn|million|thousand)\b)?",
        r"|\bp(?:50|90|95|99|999)\b[^\d\n]{0,40}\d[\d.,]*\s?(?:ms|s|sec|seconds)\b",
        r"|\d[\d,.']*\s?(?:k|m)?\s?(?:%|percent\b|Prozent\b)",
        r"|\b\d[\d,.']*\s?(?:k|m)?(?:\s+of\s+\d[\d,.']*)?\+?\s+(?:[\p{L}-]+\s+){0,2}?(?:users?|customers?|clients?|tenants?|merchants?|",
        r"accounts?|shops?|stores?|requests?|orders?|payments?|checkouts?|sessions?|errors?|failures?|messages?|emails?|jobs?|rows?|",
        r"records?|events?|tickets?|calls?|transactions?|invoices?|bookings?|points?|pull requests|prs|bugs?|incidents?|deploys?|",
        r"stories|Kunden|Nutzer|Bestellungen|Anfragen|Fehler|usuarios|clientes|pedidos|errores|utilisateurs|clients|commandes|erreurs)\b",
        r"|\b\d[\d.,]*\s?(?:ms|GiB|MiB|GB|MB|rps|qps|req/s)\b",
        r"|(?:\d[\d.,]*)\s?(?:€|EUR\b|USD\b))"
    ))
});

/// Numbers of `statements`, each once, at most `most`.
pub(crate) fn find<'a>(statements: impl IntoIterator<Item = &'a Evidence>, most: usize) -> Vec<Figure> {
    let mut found: Vec<Figure> = Vec::new();
    for statement in statements {
        for number in NUMBER.find_iter(&statement.text) {
            let value = number.as_str().trim().to_owned();
            if !stands_alone(&statement.text, number.start(), number.end()) || is_status(&value) {
                continue;
            }
            if found.len() < most && found.iter().all(|known| known.value != value) {
                found.push(Figure { value, line: statement.line, text: statement.text.clone() });
            }
        }
    }
    found
}

/// Whether the number is no part of a time, a name or an address.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let joined =
        |character: char| character.is_alphanumeric() || matches!(character, ':' | '-' | '/' | '.' | '_' | '#' | '=');
    !before.is_some_and(joined) && !text[end..].starts_with(['-', '_', '='])
}

/// Whether it is a status of HTTP in the plural: `500 errors`.
fn is_status(value: &str) -> bool {
    let (digits, word) =
        value.split_at(value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len()));
    digits.len() == 3 && digits.starts_with(['4', '5']) && word.trim() == "errors"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_unit_and_times_ports_and_versions_are_none() {
        let text =
            "at 14:02 v2.41.0 on :8080 12% of 4,300 users lost 120 failed orders, p99 went from 2.4 s, $12k, 3 GB";
        let found = find(&[Evidence { line: 3, text: text.to_owned() }], 9);
        let values: Vec<&str> = found.iter().map(|figure| figure.value.as_str()).collect();
        assert_eq!(values, ["12%", "4,300 users", "120 failed orders", "p99 went from 2.4 s", "$12k", "3 GB"]);
        let log = "17:07 order pages, web-1 orders-worker, 500 errors, took=30001ms, 30+ customers";
        let found_in_log = find(&[Evidence { line: 3, text: log.to_owned() }], 9);
        assert_eq!(found_in_log.iter().map(|figure| figure.value.as_str()).collect::<Vec<_>>(), ["30+ customers"]);
        assert!(found.iter().all(|figure| figure.line == 3));
    }
}
