//! Accounts at banks (IBAN, ISO 13616): the length that the country has, and the check digits.

use super::Personal;
use super::checksum;
use super::number::Number;
use crate::detect::near::{byte, window};
use mcp_contracts::guardrails::Severity::High;

/// The length of an account's number by country.
const LENGTHS: [(&str, usize); 48] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("KZ", 20),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("RO", 24),
    ("RS", 22),
    ("SE", 24),
    ("TR", 26),
];

/// Reads the account whose check digits the number begins with.
pub(super) fn read(number: &Number<'_>) -> Option<Personal> {
    let start = number.start.checked_sub(2)?;
    let country = number.text.get(start..number.start)?.to_ascii_uppercase();
    let (_, length) = LENGTHS.iter().find(|(code, _)| *code == country)?;
    if byte(number.text, start.checked_sub(1)).is_ascii_alphanumeric() {
        return None;
    }
    let mut account = String::with_capacity(*length);
    let mut end = start;
    for (at, sign) in window(number.text, start, 48).char_indices() {
        if account.len() == *length {
            break;
        }
        match sign {
            sign if sign.is_ascii_alphanumeric() => {
                account.push(sign.to_ascii_uppercase());
                end = start + at + 1;
            }
            ' ' | '-' | '\u{a0}' => {}
            _ => return None,
        }
    }
    let whole = account.len() == *length && !byte(number.text, Some(end)).is_ascii_alphanumeric();
    (whole && checksum::iban(&account)).then(|| number.matched("iban", High, start..end))
}
