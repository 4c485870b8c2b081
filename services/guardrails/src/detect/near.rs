//! Bounded context of a position in a text: the words before it, and character boundaries. Words of single detectors do not belong here.

/// How far back a label may stand, in bytes.
const LABEL_BYTES: usize = 40;

/// Returns at most `bytes` bytes from `start`, cut at a character boundary.
pub(super) fn window(text: &str, start: usize, bytes: usize) -> &str {
    let mut end = (start + bytes).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[start..end]
}

/// Returns the text before `at` on the same line, at most `bytes` of it.
pub(super) fn before(text: &str, at: usize, bytes: usize) -> &str {
    let mut start = at.saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let start =
        text.as_bytes()[start..at].iter().rposition(|byte| *byte == b'\n').map_or(start, |line| start + line + 1);
    &text[start..at]
}

/// Returns true if one of the words (in lower case) is within `LABEL_BYTES` before `at` on the same line, as a separate word.
pub(super) fn labelled(text: &str, at: usize, words: &[&str]) -> bool {
    let window = before(text, at, LABEL_BYTES).to_lowercase();
    words.iter().any(|word| has_word(&window, word))
}

/// Returns true if `text` contains `word` with no letter or digit next to it.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let left = text[..at].chars().next_back().is_none_or(|beside| !beside.is_alphanumeric());
        let right = text[at + word.len()..].chars().next().is_none_or(|beside| !beside.is_alphanumeric());
        left && right
    })
}

/// Returns the byte at `at`, or a space outside the text.
pub(super) fn byte(text: &str, at: Option<usize>) -> u8 {
    at.and_then(|at| text.as_bytes().get(at)).copied().unwrap_or(b' ')
}

/// Whether the byte belongs to a word: a letter or digit, or a part of a letter beyond ASCII.
pub(super) fn is_wordy(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stands_on_the_same_line_as_a_word_of_its_own() {
        assert!(labelled("Phone: 12", 7, &["phone"]));
        assert!(!labelled("Phone:\n12", 7, &["phone"]));
        assert!(!labelled("microphone 12", 11, &["phone"]));
    }

    #[test]
    fn windows_end_at_the_bounds_of_characters() {
        assert_eq!((window("né", 0, 2), before("né!", 3, 1), before("é!", 3, 9)), ("n", "", "é!"));
    }
}
