//! How text becomes words: runs of letters and digits, in lower case. The index and the queries must agree, so both come here.

/// Longest word that is told apart, in bytes; longer ones are cut.
const MAX_TERM_BYTES: usize = 64;

/// Every word of `text` in order, with repetitions.
pub fn of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let mut term = word.to_lowercase();
            // Lower case may bring marks that are not letters, which the index would take for the end of a word.
            term.retain(char::is_alphanumeric);
            let mut end = term.len().min(MAX_TERM_BYTES);
            while !term.is_char_boundary(end) {
                end -= 1;
            }
            term.truncate(end);
            term
        })
        .filter(|term| !term.is_empty())
        .collect()
}

/// Distinct words of a query, in order.
pub fn of_query(text: &str) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    of(text).into_iter().filter(|term| seen.insert(term.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        assert_eq!(of("Redis-7 fell over; RETRY, retry!"), ["redis", "7", "fell", "over", "retry", "retry"]);
        assert_eq!(of_query("a B a"), ["a", "b"]);
        assert_eq!(of("Größe İstanbul 数据"), ["größe", "istanbul", "数据"]);
        assert_eq!(of(" \"* NEAR( "), ["near"]);
        assert_eq!(of(&"x".repeat(100))[0].len(), MAX_TERM_BYTES);
    }
}
