//! How random a text looks: Shannon's measure over its bytes, and which kinds of characters it mixes.

/// Bits per byte of a text's own distribution; 0 for an empty one. A short text cannot reach much: at most `log2` of its length.
pub(super) fn bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

/// The kinds of characters in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CharacterKinds {
    pub(super) small: usize,
    pub(super) capital: usize,
    pub(super) digit: usize,
    pub(super) other: usize,
}

impl CharacterKinds {
    pub(super) fn of(text: &str) -> Self {
        let mut mix = Self { small: 0, capital: 0, digit: 0, other: 0 };
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' => mix.small += 1,
                b'A'..=b'Z' => mix.capital += 1,
                b'0'..=b'9' => mix.digit += 1,
                _ => mix.other += 1,
            }
        }
        mix
    }

    /// How many kinds there are.
    pub(super) fn kinds(self) -> usize {
        [self.small, self.capital, self.digit, self.other].into_iter().filter(|count| *count > 0).count()
    }

    pub(super) fn letters(self) -> usize {
        self.small + self.capital
    }
}

/// How often the kind of character changes from one to the next: words and numbers change seldom, generated values at every other character.
pub(super) fn changes(text: &str) -> usize {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    text.as_bytes().windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_measured_in_bits_per_byte() {
        assert!(bits("aaaa").abs() < 1e-9 && (bits("abcd") - 2.0).abs() < 1e-9 && bits("").abs() < 1e-9);
        assert!(bits("Xk29vQ7tLmPz4w") > 3.5);
        assert_eq!((changes("aB3x"), changes("hello123")), (3, 1));
    }
}
