//! Telephone numbers: in international form, in the American form with parentheses, and in national forms behind a label. Numbers that are
//! reserved for films and examples are not reported.

use super::Personal;
use super::number::Number;
use crate::detect::near::{before, byte};
use mcp_contracts::guardrails::Severity::Medium;

const LABELS: [&str; 32] = [
    "phone",
    "telephone",
    "tel",
    "mobile",
    "call me",
    "fax",
    "whatsapp",
    "sms",
    "text me",
    "reach me",
    "telefon",
    "telefonnummer",
    "handy",
    "mobil",
    "anruf",
    "rückruf",
    "téléphone",
    "portable :",
    "mon portable",
    "teléfono",
    "telefono",
    "celular",
    "móvil",
    "cellulare",
    "telefone",
    "phone_number",
    "phonenumber",
    "mobile_number",
    "contact number",
    "电话",
    "手机",
    "電話",
];
/// Labels of long numbers that are not telephone numbers.
const OTHERS: [&str; 8] = ["id", "timestamp", "offset", "order", "invoice", "ticket", "bytes", "line"];

pub(super) fn read(number: &Number<'_>) -> Option<Personal> {
    international(number).or_else(|| american(number)).or_else(|| national(number))
}

/// `+49 30 …`, `+1 (415) …`, `0049 …`.
fn international(number: &Number<'_>) -> Option<Personal> {
    let plus = number.previous() == b'+';
    let zeros = number.is_free() && number.text[number.start..].starts_with("00");
    if !plus && !zeros {
        return None;
    }
    let start = number.start - usize::from(plus);
    let left = byte(number.text, start.checked_sub(1));
    if left.is_ascii_alphanumeric()
        || left == b'+'
        || left == b'.'
        || byte(number.text, Some(number.start)) == b'0' && plus
    {
        return None;
    }
    let (digits, end) = spread(number);
    let digits = if zeros { digits.get(2..)?.to_owned() } else { digits };
    let grouped = end - number.start > digits.len() + 2 * usize::from(zeros);
    // In a diff, a plus begins the line.
    let diff = plus && (start == 0 || byte(number.text, start.checked_sub(1)) == b'\n');
    let sure = plus && !diff && digits.len() >= 10
        || grouped && !zeros && !(diff && digits.len() < 10)
        || number.labelled(&LABELS);
    // The code of a country stands first and is short; every further group has two digits at least.
    let groups: Vec<usize> = number.groups(end).into_iter().filter(|length| *length > 0).collect();
    let dated = matches!(groups.as_slice(), [4, 2, 2, ..]) && number.text[number.start + 4..].starts_with('-');
    let spaced = groups.len() == 1
        || !dated && groups[0] <= 4 && groups.iter().skip(1).filter(|length| **length < 2).count() <= 1;
    let plain =
        spaced && (8..=15).contains(&digits.len()) && is_code(&digits) && number.closes(end) && !is_fiction(&digits);
    let sum = matches!(before(number.text, start, 2).trim_end().as_bytes().last(), Some(b'=' | b'0'..=b'9' | b')'));
    let sum = sum && !number.labelled(&LABELS);
    (sure && plain && !sum && !number.labelled(&OTHERS)).then(|| number.matched("phone", Medium, start..end))
}

/// `(415) 867-5309`, `415-867-5309` or `415.867.5309`.
fn american(number: &Number<'_>) -> Option<Personal> {
    let opened = number.previous() == b'(';
    if number.run != 3 || !(opened || number.is_free()) || !matches!(number.text.as_bytes()[number.start], b'2'..=b'9')
    {
        return None;
    }
    let (digits, end) = spread(number);
    let start = number.start - usize::from(opened);
    let groups: Vec<usize> = number.groups(end).into_iter().filter(|length| *length > 0).collect();
    let form = &number.text[number.start..end];
    let same = opened || form.contains('-') && !form.contains(['.', ' ']) || number.labelled(&LABELS);
    let exchange = matches!(digits.as_bytes().get(3), Some(b'2'..=b'9'));
    let plain = digits.len() == 10
        && groups == [3, 3, 4]
        && exchange
        && number.closes(end)
        && !is_fiction(&format!("1{digits}"));
    (same && plain && !number.labelled(&OTHERS)).then(|| number.matched("phone", Medium, start..end))
}

/// Seven to thirteen digits behind a label.
fn national(number: &Number<'_>) -> Option<Personal> {
    let opened = number.previous() == b'(';
    if !opened && !number.is_free() {
        return None;
    }
    let (digits, end) = spread(number);
    let own = number.previous() != b'+' && !is_amount(&number.text[end..]);
    let plain = (7..=13).contains(&digits.len()) && number.closes(end) && !is_fiction(&format!("1{digits}"));
    let repeated =
        digits.bytes().all(|digit| digit == digits.as_bytes()[0]) || digits == "1234567890" || digits == "0123456789";
    let date = matches!(number.groups(end).as_slice(), [4, 2, 2] | [2, 2, 4]);
    let constant = crate::detect::near::has_word(before(number.text, number.start, 80), "const");
    let own = own && !constant && !number.is_repeated(end);
    let start = number.start - usize::from(opened);
    (plain && own && !repeated && !date && number.labelled(&LABELS) && !number.labelled(&OTHERS))
        .then(|| number.matched("phone", Medium, start..end))
}

/// The digits with the separators of telephone numbers between them, and where they end.
fn spread(number: &Number<'_>) -> (String, usize) {
    let ahead = crate::detect::near::window(number.text, number.start, 32).as_bytes();
    let (mut digits, mut end, mut gap) = (String::new(), 0, 0);
    let mut last = b' ';
    for (at, byte) in ahead.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                digits.push(char::from(*byte));
                (end, gap) = (at + 1, 0);
            }
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' if gap < 2 && *byte != last => gap += 1,
            _ => break,
        }
        last = *byte;
    }
    (digits, number.start + end)
}

/// Returns true if a unit follows, so that the number is an amount.
fn is_amount(rest: &str) -> bool {
    let unit = rest.trim_start().split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    ["ns", "us", "ms", "s", "sec", "seconds", "bytes", "b", "kb", "rows", "eur", "usd"]
        .contains(&unit.to_ascii_lowercase().as_str())
}

/// Returns true if a country can have this number: no code begins with 0, American numbers have eleven digits, and a row of equal digits is not assigned.
fn is_code(digits: &str) -> bool {
    let repeated = digits.bytes().skip(1).all(|digit| digit == digits.as_bytes()[1]);
    !digits.starts_with('0')
        && (!digits.starts_with('1') || digits.len() == 11)
        && !repeated
        && !digits.contains("123456789")
}

/// American numbers 555-0100 to 555-0199, and British ones kept for drama.
fn is_fiction(digits: &str) -> bool {
    let american = digits.len() == 11 && digits.starts_with('1') && (&digits[4..7] == "555" || &digits[1..4] == "555");
    american || digits.starts_with("447700900") || digits.starts_with("442079460")
}
