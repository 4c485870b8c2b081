//! Numbers with their unit, found in statements. Times of day are `moment`'s.

use super::Evidence;
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
    Regex::new(concat!(
        r"(?i)(?:[$€£]\s?\d[\d,.']*(?:\s?(?:k|m|bn|million|thousand)\b)?",
        r"|\bp(?:50|90|95|99|999)\b[^\d\n]{0,24}\d[\d.,]*\s?(?:ms|s|sec|seconds)\b",
        r"|\d[\d,.']*\s?(?:k|m)?\s?(?:%|percent\b|Prozent\b)",
        r"|\b\d[\d,.']*\s?(?:k|m)?(?:\s+of\s+\d[\d,.']*)?\s+(?:[\p{L}-]+\s+){0,2}?(?:users?|customers?|clients?|tenants?|merchants?|",
        r"accounts?|shops?|stores?|requests?|orders?|payments?|checkouts?|sessions?|errors?|failures?|messages?|emails?|jobs?|rows?|",
        r"records?|events?|tickets?|calls?|transactions?|invoices?|bookings?|points?|pull requests|prs|bugs?|incidents?|deploys?|",
        r"stories|Kunden|Nutzer|Bestellungen|Anfragen|Fehler|usuarios|clientes|pedidos|errores|utilisateurs|clients|commandes|erreurs)\b",
        r"|\b\d[\d.,]*\s?(?:ms|GiB|MiB|GB|MB|rps|qps|req/s)\b",
        r"|(?:\d[\d.,]*)\s?(?:€|EUR\b|USD\b))"
    ))
    .expect("a constant expression")
});

/// Numbers of `statements`, each once, at most `most`.
pub(crate) fn find<'a>(statements: impl IntoIterator<Item = &'a Evidence>, most: usize) -> Vec<Figure> {
    let mut found: Vec<Figure> = Vec::new();
    for statement in statements {
        for number in NUMBER.find_iter(&statement.text) {
            let value = number.as_str().trim().to_owned();
            if found.len() < most && found.iter().all(|known| known.value != value) {
                found.push(Figure { value, line: statement.line, text: statement.text.clone() });
            }
        }
    }
    found
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
        assert!(found.iter().all(|figure| figure.line == 3));
    }
}
