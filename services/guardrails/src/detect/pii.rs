//! Finds personal data: email and IP addresses, phone numbers, bank accounts, payment cards, identity numbers issued by states, and dates of birth.
//! Email addresses are searched around each `@`, everything else at the beginning of each number. Each search reads a bounded part of the text.

mod account;
mod birth;
mod card;
mod checksum;
mod email;
mod identity;
mod machine;
mod number;
mod phone;

use super::finding::Findings;
use mcp_contracts::guardrails::Severity;
use number::Number;
use std::ops::Range;

/// Personal data at one place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Personal {
    kind: &'static str,
    severity: Severity,
    place: Range<usize>,
}

/// The detectors of data that begins with a number. The most certain one comes first.
const READERS: [fn(&Number<'_>) -> Option<Personal>; 7] =
    [account::read, machine::read, card::read, identity::read, birth::read, phone::read, identity::read_labelled];

pub(super) fn table_date() -> &'static str {
    &account::TABLE.date
}

pub(super) fn find(text: &str, findings: &mut Findings) {
    for (at, _) in text.match_indices('@') {
        if let Some(found) = email::read(text, at) {
            findings.add(found.kind, found.severity, found.place);
        }
        if findings.done() {
            return;
        }
    }
    let mut at = 0;
    while let Some(number) = Number::next(text, at) {
        let found = READERS.iter().find_map(|read| read(&number));
        at = number.end();
        if let Some(found) = found {
            at = at.max(found.place.end);
            findings.add(found.kind, found.severity, found.place);
        }
        if findings.done() {
            return;
        }
    }
}
