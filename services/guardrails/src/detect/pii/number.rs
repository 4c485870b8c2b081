//! Numbers in a text: runs of digits, and digit groups joined by single separators. This module does not know what a number means.

use crate::detect::near::{byte, labelled, window};
use std::ops::Range;

/// Longest number with its separators, in bytes.
const MAX_BYTES: usize = 48;

/// A run of digits and the text around it.
#[derive(Debug)]
pub(super) struct Number<'t> {
    pub(super) text: &'t str,
    /// The first digit.
    pub(super) start: usize,
    /// Number of digits before the first separator.
    pub(super) run: usize,
}

impl<'t> Number<'t> {
    /// The next run of digits from `from`.
    pub(super) fn next(text: &'t str, from: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let start = from + bytes.get(from..)?.iter().position(u8::is_ascii_digit)?;
        let run = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        Some(Self { text, start, run })
    }

    /// Where the run ends.
    pub(super) fn end(&self) -> usize {
        self.start + self.run
    }

    /// The byte before.
    pub(super) fn previous(&self) -> u8 {
        byte(self.text, self.start.checked_sub(1))
    }

    /// Returns true if the number is not the continuation of a word, a path or a longer number.
    pub(super) fn is_free(&self) -> bool {
        let left = self.previous();
        !(left.is_ascii_alphanumeric()
            || matches!(left, b'_' | b'.' | b'-' | b'/' | b'#' | b'%')
            || left >= 0x80 && !self.text[..self.start].ends_with(['“', '„', '«', '：', '（', '\u{a0}']))
    }

    /// The digits from here on, with single separators of these kinds between them, and where they end.
    pub(super) fn digits(&self, separators: &[u8]) -> (String, usize) {
        let ahead = window(self.text, self.start, MAX_BYTES).as_bytes();
        let (mut digits, mut end, mut at) = (String::new(), 0, 0);
        while let Some(next) = ahead.get(at) {
            if next.is_ascii_digit() {
                digits.push(char::from(*next));
                end = at + 1;
            } else if !(separators.contains(next) && ahead.get(at + 1).is_some_and(u8::is_ascii_digit)) {
                break;
            }
            at += 1;
        }
        (digits, self.start + end)
    }

    /// The lengths of the groups between separators, up to `end`.
    pub(super) fn groups(&self, end: usize) -> Vec<usize> {
        self.text[self.start..end].split(|letter: char| !letter.is_ascii_digit()).map(str::len).collect()
    }

    /// Returns true if each group up to `end` repeats one digit, as example numbers do.
    pub(super) fn is_repeated(&self, end: usize) -> bool {
        let mut groups = self.text[self.start..end].split(|letter: char| !letter.is_ascii_digit());
        groups.all(|group| group.bytes().all(|digit| Some(&digit) == group.as_bytes().first()))
    }

    /// Returns true if the number ends at `end` and is not a part of a longer word or number.
    pub(super) fn closes(&self, end: usize) -> bool {
        let (right, beyond) = (byte(self.text, Some(end)), byte(self.text, Some(end + 1)));
        !(right.is_ascii_alphanumeric()
            || right == b'_'
            || matches!(right, b'.' | b'-' | b'/' | b',') && beyond.is_ascii_digit())
    }

    /// Returns true if one of the words is shortly before the number.
    pub(super) fn labelled(&self, words: &[&str]) -> bool {
        labelled(self.text, self.start, words)
    }

    pub(super) fn matched(
        &self,
        kind: &'static str,
        severity: mcp_contracts::guardrails::Severity,
        place: Range<usize>,
    ) -> super::Personal {
        super::Personal { kind, severity, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_go_on_behind_single_separators() {
        let number = Number::next("a 12-34 5--6", 0).unwrap();
        assert_eq!((number.digits(b"- "), number.groups(9)), (("12345".to_owned(), 9), vec![2, 2, 1]));
        assert_eq!((number.start, number.end(), number.is_free()), (2, 4, true));
    }
}
