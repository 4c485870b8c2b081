//! Identity numbers issued by states: those that their form and check digits identify, and those that need a label.

use super::Personal;
use super::checksum::{is_day, luhn, verhoeff, weighted};
use super::number::Number;
use crate::detect::near::{byte, window};
use mcp_contracts::guardrails::Severity::High;

/// Reads a number that its form and its check digits identify.
pub(super) fn read(number: &Number<'_>) -> Option<Personal> {
    fiscal_code(number).or_else(|| {
        let free = number.is_free();
        let readers = [social_security, tax_of_brazil, resident_of_china, health_of_france];
        readers.into_iter().filter(|_| free).find_map(|read| read(number))
    })
}

/// Reads a number that needs a label.
pub(super) fn read_labelled(number: &Number<'_>) -> Option<Personal> {
    let readers = [
        citizen_of_spain,
        insured_in_britain,
        citizen_of_the_netherlands,
        citizen_of_poland,
        citizen_of_sweden,
        citizen_of_india,
        insured_in_canada,
        taxed_in_germany,
        passport,
    ];
    readers.into_iter().find_map(|read| read(number))
}

/// United States: areas 000, 666 and from 900, group 00 and serial 0000 are never given out.
fn social_security(number: &Number<'_>) -> Option<Personal> {
    let labelled = || number.labelled(&["ssn", "social security", "social security number", "social"]);
    let (digits, end) = number.digits(b"- ");
    let dashed = number.groups(end) == [3, 2, 4] && byte(number.text, Some(number.start + 3)) == b'-';
    if digits.len() != 9 || !number.closes(end) || !(dashed || labelled()) {
        return None;
    }
    let (area, group, serial) = (&digits[..3], &digits[3..5], &digits[5..]);
    let never = matches!(area, "000" | "666") || area.starts_with('9') || group == "00" || serial == "0000";
    let shown =
        matches!(digits.as_str(), "078051120" | "219099999" | "123456789" | "111111111" | "222222222" | "987654321");
    let shown = shown || number.is_repeated(end);
    let other = number.labelled(&["part", "sku", "model", "order", "ticket", "invoice", "serial", "item"]);
    (!never && !shown && !other).then(|| number.matched("us_ssn", High, number.start..end))
}

/// Brazil, CPF: `ddd.ddd.ddd-dd` with two check digits.
fn tax_of_brazil(number: &Number<'_>) -> Option<Personal> {
    let (digits, end) = number.digits(b".-");
    if digits.len() != 11 || number.groups(end) != [3, 3, 3, 2] || !number.closes(end) {
        return None;
    }
    let check = |length: usize| {
        let weights: Vec<u32> = (2..).take(length).collect::<Vec<u32>>().into_iter().rev().collect();
        let rest = weighted(&digits[..length], &weights, 11);
        if rest < 2 { 0 } else { 11 - rest }
    };
    let given = |at: usize| u32::from(digits.as_bytes()[at] - b'0');
    let same = digits.bytes().all(|digit| digit == digits.as_bytes()[0]);
    (!same && check(9) == given(9) && check(10) == given(10)).then(|| number.matched("br_cpf", High, number.start..end))
}

/// China: 17 digits with a birthday and a check sign (ISO 7064 mod 11-2).
fn resident_of_china(number: &Number<'_>) -> Option<Personal> {
    let form = window(number.text, number.start, 18);
    if form.len() != 18 || number.run < 17 || number.run > 18 || !number.closes(number.start + 18) {
        return None;
    }
    let (digits, check) = form.split_at(17);
    let date = |from: usize, to: usize| digits[from..to].parse::<u32>().unwrap_or(0);
    let born = (1900..=2030).contains(&date(6, 10)) && is_day(date(6, 10), date(10, 12), date(12, 14));
    let rest = weighted(digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], 11);
    let expected = b"10X98765432"[rest as usize];
    (born && check.as_bytes()[0].eq_ignore_ascii_case(&expected))
        .then(|| number.matched("cn_resident_id", High, number.start..number.start + 18))
}

/// France, NIR: 13 digits and a key, 97 minus the rest; with spaces between its parts or a label before it.
fn health_of_france(number: &Number<'_>) -> Option<Personal> {
    let (digits, end) = number.digits(b" ");
    let grouped = matches!(number.groups(end).as_slice(), [1, 2, 2, 2, 3, 3, 2]);
    if digits.len() != 15 || !number.closes(end) || !matches!(digits.as_bytes()[0], b'1' | b'2') {
        return None;
    }
    let (body, key) = (digits[..13].parse::<u64>().ok()?, digits[13..].parse::<u64>().ok()?);
    let labelled = grouped || number.labelled(&["nir", "sécurité sociale", "securite sociale", "sécu", "insee"]);
    (labelled && 97 - body % 97 == key).then(|| number.matched("fr_nir", High, number.start..end))
}

/// Italy: six letters, a birthday in signs, a place, and a check letter.
fn fiscal_code(number: &Number<'_>) -> Option<Personal> {
    let start = number.start.checked_sub(6)?;
    let code = number.text.get(start..start + 16)?.to_ascii_uppercase();
    let signs = code.as_bytes();
    let form = b"LLLLLLDDLDDLDDDL";
    let fits = signs
        .iter()
        .zip(form)
        .all(|(sign, form)| if *form == b'L' { sign.is_ascii_uppercase() } else { sign.is_ascii_digit() });
    let alone = !byte(number.text, start.checked_sub(1)).is_ascii_alphanumeric()
        && !byte(number.text, Some(start + 16)).is_ascii_alphanumeric();
    if !fits || !alone {
        return None;
    }
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = |sign: u8| if sign.is_ascii_digit() { usize::from(sign - b'0') } else { usize::from(sign - b'A') };
    let sum: u32 = signs[..15]
        .iter()
        .enumerate()
        .map(|(at, sign)| if at % 2 == 0 { ODD[value(*sign)] } else { value(*sign) as u32 })
        .sum();
    (u32::from(signs[15] - b'A') == sum % 26).then(|| number.matched("it_fiscal_code", High, start..start + 16))
}

/// Spain, DNI and NIE: a letter that the rest by 23 chooses.
fn citizen_of_spain(number: &Number<'_>) -> Option<Personal> {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let foreigner = matches!(number.previous(), b'X' | b'Y' | b'Z');
    let expected = if foreigner { 7 } else { 8 };
    let gap = usize::from(byte(number.text, Some(number.end())) == b'-');
    let letter = byte(number.text, Some(number.end() + gap));
    let start = number.start - usize::from(foreigner);
    if number.run != expected
        || byte(number.text, start.checked_sub(1)).is_ascii_alphanumeric()
        || byte(number.text, Some(number.end() + gap + 1)).is_ascii_alphanumeric()
    {
        return None;
    }
    let value: u32 = number.text[number.start..number.end()].parse().ok()?;
    let value = if foreigner { value + u32::from(number.previous() - b'X') * 10_000_000 } else { value };
    let checks = LETTERS[(value % 23) as usize].eq_ignore_ascii_case(&letter);
    let labelled = || number.labelled(&["dni", "nie", "nif", "documento", "identidad"]) || foreigner;
    (checks && labelled()).then(|| number.matched("es_dni", High, start..number.end() + gap + 1))
}

/// Britain, national insurance: two letters, six digits, a letter from A to D.
fn insured_in_britain(number: &Number<'_>) -> Option<Personal> {
    let blank = usize::from(number.previous() == b' ');
    let start = number.start.checked_sub(2 + blank)?;
    let letters = number.text.get(start..start + 2)?.to_ascii_uppercase();
    let (digits, end) = number.digits(b" ");
    let gap = usize::from(byte(number.text, Some(end)) == b' ');
    let last = byte(number.text, Some(end + gap)).to_ascii_uppercase();
    let fits = digits.len() == 6
        && letters.bytes().all(|letter| letter.is_ascii_uppercase() && !b"DFIQUV".contains(&letter))
        && !letters.ends_with('O');
    let never = ["BG", "GB", "NK", "KN", "TN", "NT", "ZZ"].contains(&letters.as_str());
    let alone = !byte(number.text, start.checked_sub(1)).is_ascii_alphanumeric()
        && !byte(number.text, Some(end + gap + 1)).is_ascii_alphanumeric();
    let labelled = || {
        crate::detect::near::labelled(
            number.text,
            start,
            &["ni", "nino", "national insurance", "ni number", "national insurance number", "insurance"],
        )
    };
    (fits && !never && alone && matches!(last, b'A'..=b'D') && labelled())
        .then(|| number.matched("uk_nino", High, start..end + gap + 1))
}

fn citizen_of_the_netherlands(number: &Number<'_>) -> Option<Personal> {
    let (digits, end) = number.digits(b". ");
    let checks = digits.len() == 9 && number.closes(end) && {
        let last = u32::from(digits.as_bytes()[8] - b'0');
        weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2], 11) == last && digits != "000000000"
    };
    (checks && number.labelled(&["bsn", "burgerservicenummer", "sofinummer"]))
        .then(|| number.matched("nl_bsn", High, number.start..end))
}

fn citizen_of_poland(number: &Number<'_>) -> Option<Personal> {
    let digits = &number.text[number.start..number.end()];
    let checks = digits.len() == 11 && weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1], 10) == 0;
    (checks && number.labelled(&["pesel"])).then(|| number.matched("pl_pesel", High, number.start..number.end()))
}

fn citizen_of_sweden(number: &Number<'_>) -> Option<Personal> {
    let (digits, end) = number.digits(b"-+");
    let short = digits.get(digits.len().checked_sub(10)?..)?;
    let part = |from: usize| short[from..from + 2].parse::<u32>().unwrap_or(0);
    let fits = matches!(number.groups(end).as_slice(), [6 | 8, 4] | [10 | 12])
        && number.closes(end)
        && is_day(2000, part(2), part(4))
        && luhn(short);
    (fits && number.labelled(&["personnummer", "personal identity number", "pnr", "ssn"]))
        .then(|| number.matched("se_personnummer", High, number.start..end))
}

fn citizen_of_india(number: &Number<'_>) -> Option<Personal> {
    let (digits, end) = number.digits(b" -");
    let fits =
        digits.len() == 12 && matches!(digits.as_bytes()[0], b'2'..=b'9') && number.closes(end) && verhoeff(&digits);
    (fits && number.labelled(&["aadhaar", "aadhar", "uidai", "uid"]))
        .then(|| number.matched("in_aadhaar", High, number.start..end))
}

fn insured_in_canada(number: &Number<'_>) -> Option<Personal> {
    let (digits, end) = number.digits(b" -");
    let fits = digits.len() == 9 && !digits.starts_with(['0', '8']) && number.closes(end) && luhn(&digits);
    (fits && number.labelled(&["sin", "social insurance", "social insurance number"]))
        .then(|| number.matched("ca_sin", High, number.start..end))
}

/// Germany, tax id: eleven digits, checked as in ISO 7064 mod 11-10.
fn taxed_in_germany(number: &Number<'_>) -> Option<Personal> {
    let (digits, end) = number.digits(b" ");
    if digits.len() != 11 || digits.starts_with('0') || !number.closes(end) {
        return None;
    }
    let product = digits[..10].bytes().fold(10, |product, digit| {
        let sum = (u32::from(digit - b'0') + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let check = (11 - product) % 10;
    let labels = [
        "steuer-id",
        "steuerid",
        "steueridentifikationsnummer",
        "steuer-identifikationsnummer",
        "idnr",
        "steuer-idnr",
        "tin",
        "tax id",
    ];
    (check == u32::from(digits.as_bytes()[10] - b'0') && number.labelled(&labels))
        .then(|| number.matched("de_tax_id", High, number.start..end))
}

/// A passport's number behind its label: up to three letters, then six to nine digits or letters.
fn passport(number: &Number<'_>) -> Option<Personal> {
    let letters = number.text.as_bytes()[..number.start]
        .iter()
        .rev()
        .take(4)
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    let start = number.start - letters;
    let tail = window(number.text, start, 12)
        .bytes()
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        .count();
    let alone = !byte(number.text, start.checked_sub(1)).is_ascii_alphanumeric()
        && !byte(number.text, Some(start + tail)).is_ascii_alphanumeric();
    let labels = [
        "passport",
        "passport no",
        "passport number",
        "reisepass",
        "reisepassnummer",
        "passnummer",
        "pasaporte",
        "passeport",
        "passaporto",
        "passaporte",
        "passport_no",
        "passport_number",
    ];
    let labelled = || crate::detect::near::labelled(number.text, start, &labels);
    (letters <= 3 && (7..=10).contains(&tail) && tail - letters >= 5 && alone && labelled())
        .then(|| number.matched("passport", High, start..start + tail))
}
