//! Personal data: addresses of mail and of machines, telephone numbers, accounts, cards, numbers that states give to people, dates of birth.
//! Mail is looked for at its sign, everything else at the beginnings of numbers, and each look is bounded.

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
use std::cell::Cell;
use std::ops::Range;

/// Most bytes that the readers of numbers compare. 256 KiB of plain numbers of ten digits need 80 MiB; digits that are all apart need five times as much.
const MAX_WORK: usize = 96 << 20;

/// Something personal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Personal {
    kind: &'static str,
    severity: Severity,
    place: Range<usize>,
}

/// What may begin with a number, the most certain first.
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
    let (mut at, work) = (0, Cell::new(0));
    while let Some(number) = Number::next(text, at, &work) {
        if work.get() > MAX_WORK {
            // What cannot be judged is not taken for harmless.
            findings.add("unread", Severity::High, number.start..text.len());
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::guardrails::Detection;

    fn kinds(text: &str) -> Vec<&'static str> {
        let mut findings = Findings::all(text, Detection::Pii);
        find(text, &mut findings);
        findings.into_sorted().iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn a_text_that_costs_too_much_is_not_taken_for_harmless() {
        let digits = "7 3 9 2 6 4 ".repeat((256 << 10) / 12);
        assert_eq!(kinds(&digits).last(), Some(&"unread"));
        let table = "1482093761\n".repeat((256 << 10) / 11);
        assert!(!kinds(&table).contains(&"unread"), "a table of numbers is ordinary");
    }
}
