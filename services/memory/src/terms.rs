//! Splits text into terms: runs of letters and digits, in lower case. Contents and queries use the same function, so that they match.

/// Longer terms are cut, so that a long run such as base64 data does not fill the index.
const MAX_TERM_BYTES: usize = 64;

/// Returns every term of `text`, in order and with repetitions.
pub fn of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let mut term = word.to_lowercase();
            // Lower case can add combining marks (`İ`), which are not alphanumeric: the same text in lower case would be split there.
            term.retain(char::is_alphanumeric);
            term.truncate(term.floor_char_boundary(MAX_TERM_BYTES));
            term
        })
        .filter(|term| !term.is_empty())
        .collect()
}

/// Returns the distinct terms of a query, in order.
pub fn of_query(text: &str) -> Vec<String> {
    let mut distinct = std::collections::HashSet::new();
    of(text).into_iter().filter(|term| distinct.insert(term.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(of("Redis-7 fell over; RETRY, retry!"), ["redis", "7", "fell", "over", "retry", "retry"]);
        assert_eq!(of_query("a B a"), ["a", "b"]);
        assert_eq!(of("Größe İstanbul 数据"), ["größe", "istanbul", "数据"]);
        assert_eq!(of(" \"* NEAR( "), ["near"]);
        assert_eq!(of(&"x".repeat(100))[0].len(), MAX_TERM_BYTES);
    }
}
