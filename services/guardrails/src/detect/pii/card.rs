//! Payment cards: the prefixes and lengths of issuers, and Luhn's check. Numbers that issuers publish for tests are none, and neither are ids.

use super::Personal;
use super::checksum::luhn;
use super::number::Number;
use mcp_contracts::guardrails::Severity::High;

/// Numbers that issuers and providers publish for tests.
const TESTS: [&str; 13] = [
    "4242424242424242",
    "4111111111111111",
    "4012888888881881",
    "4000056655665556",
    "4000000000000002",
    "5555555555554444",
    "5105105105105100",
    "5200828282828210",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "3530111333300000",
];
/// Labels of numbers that are cards, whatever else stands there.
const CARDS: [&str; 6] = ["card", "pan", "cc", "visa", "mastercard", "amex"];
/// Labels of numbers that are not cards.
const IDS: [&str; 14] = [
    "id",
    "ids",
    "trace",
    "span",
    "timestamp",
    "ts",
    "order",
    "offset",
    "sequence",
    "seq",
    "tracking",
    "imei",
    "build",
    "nonce",
];

pub(super) fn read(number: &Number<'_>) -> Option<Personal> {
    let first = number.text.as_bytes()[number.start];
    if !number.is_free() || !matches!(first, b'2'..=b'6') {
        return None;
    }
    let (digits, end) = number.digits(b" -");
    let groups = number.groups(end);
    let known = matches!(groups.as_slice(), [14..=16] | [4, 4, 4, 4] | [4, 6, 5] | [4, 4, 4, 4, 3] | [4, 6, 4]);
    if !known || !number.closes(end) || !issued(&digits) || !luhn(&digits) || TESTS.contains(&digits.as_str()) {
        return None;
    }
    let plain = groups.len() == 1;
    let repeated = digits.bytes().skip(1).all(|digit| digit == digits.as_bytes()[1]);
    // A list of numbers that lie close to each other.
    let listed = groups.len() > 1
        && number.text[number.start..end].split([' ', '-']).all(|group| group.get(..2) == digits.get(..2));
    let other = repeated || listed || plain && number.labelled(&IDS) && !number.labelled(&CARDS);
    (!other).then(|| number.matched("payment_card", High, number.start..end))
}

/// Returns true if an issuer has numbers with this prefix and length.
fn issued(digits: &str) -> bool {
    let begin = |length: usize| digits.get(..length).and_then(|begin| begin.parse::<u32>().ok()).unwrap_or(0);
    match digits.len() {
        13 | 19 => begin(1) == 4 || digits.len() == 19 && matches!(begin(2), 62 | 67),
        14 => matches!(begin(3), 300..=305) || matches!(begin(2), 36 | 38 | 39),
        15 => matches!(begin(2), 34 | 37),
        16 => {
            begin(1) == 4
                || matches!(begin(2), 51..=55 | 62 | 65)
                || matches!(begin(4), 2221..=2720 | 6011 | 3528..=3589)
                || matches!(begin(3), 644..=649)
        }
        _ => false,
    }
}
