//! The check digits that issuers put into numbers. Digits come as ASCII; anything else fails.

/// ISO/IEC 7812-1, the check of cards: doubled at every other place from the right.
pub(super) fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit.wrapping_sub(b'0'));
            if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) && sum.is_multiple_of(10)
}

/// ISO 7064 mod 97-10 as account numbers use it: country and check digits go to the end, letters count from 10, and the rest must be 1.
pub(super) fn iban(account: &str) -> bool {
    if account.len() < 5 || !account.is_ascii() {
        return false;
    }
    let mut moved = account[4..].bytes().chain(account[..4].bytes());
    let rest = moved.try_fold(0_u32, |rest, sign| {
        let value = char::from(sign).to_digit(36)?;
        Some((rest * if value > 9 { 100 } else { 10 } + value) % 97)
    });
    rest == Some(1)
}

/// The sum of digits times weights, by modulus.
pub(super) fn weighted(digits: &str, weights: &[u32], modulus: u32) -> u32 {
    digits.bytes().zip(weights).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum::<u32>()
        % modulus
}

/// Verhoeff's check over the dihedral group of order ten.
pub(super) fn verhoeff(digits: &str) -> bool {
    const SHIFTS: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a - 5 + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let shifted = |digit: u8, times: usize| (0..times % 8).fold(digit, |digit, _| SHIFTS[usize::from(digit)]);
    let digits_only = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits_only
        && digits.bytes().rev().enumerate().fold(0, |check, (at, digit)| product(check, shifted(digit - b'0', at))) == 0
}

/// Returns true if the date exists; `year` has four digits.
pub(super) fn is_day(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_check_and_a_changed_digit_does_not() {
        assert!(luhn("79927398713") && !luhn("79927398710") && !luhn("") && !luhn("7a"));
        assert!(iban("GB82WEST12345698765432") && !iban("GB82WEST12345698765433") && !iban("GB8"));
        assert!(verhoeff("2363") && !verhoeff("2364"));
        assert!(is_day(2024, 2, 29) && !is_day(2023, 2, 29) && !is_day(2024, 13, 1) && !is_day(2024, 4, 31));
    }
}
