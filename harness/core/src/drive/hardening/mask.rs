//! Masks secrets in the evidence of a check, and bounds its length.

/// Longest text of a request or a reply in the evidence, in bytes.
const LONGEST: usize = 2 << 10;
/// Bytes that are read.
const MOST_READ: usize = 32 << 10;
/// Beginning of the header of every signed token: `{"` in Base64.
const TOKEN_START: &str = "eyJ";

/// Renders bytes as text. Tokens and `secrets` are replaced, other control characters are escaped, and a long text is cut in the middle.
pub(super) fn masked(bytes: &[u8], secrets: &[&str]) -> String {
    // Only the beginning of a long text is read, so that a body of megabytes costs little.
    let (read, rest) = bytes.split_at(bytes.len().min(MOST_READ));
    let text = String::from_utf8_lossy(read);
    let mut text = without_tokens(&text);
    if !rest.is_empty() {
        text.push_str(&format!(" [{} bytes more]", rest.len()));
    }
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[secret]");
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\r' => {}
            '\n' => shown.push('\n'),
            letter if letter.is_control() => shown.extend(letter.escape_default()),
            letter => shown.push(letter),
        }
    }
    cut(&shown)
}

/// Replaces every run of token characters that begins as a token does.
fn without_tokens(text: &str) -> String {
    let is_of_a_token = |letter: char| letter.is_ascii_alphanumeric() || "-_.=".contains(letter);
    let (mut masked, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(TOKEN_START) {
        let token = &rest[at..];
        let length = token.find(|letter| !is_of_a_token(letter)).unwrap_or(token.len());
        // A short text with these letters is no token.
        let replaced = if token[..length].contains('.') { "[token]" } else { &token[..length] };
        masked.push_str(&rest[..at]);
        masked.push_str(replaced);
        rest = &token[length..];
    }
    masked + rest
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let (mut head, mut tail) = (LONGEST * 3 / 4, text.len() - LONGEST / 4);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{} [{} bytes cut] {}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, masked};

    #[test]
    fn tokens_and_keys_never_reach_the_evidence() {
        let request =
            b"authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln\r\nx: the-key\r\n\r\n{\"a\":\"eyJ\"}";
        assert_eq!(masked(request, &["the-key", ""]), "authorization: Bearer [token]\nx: [secret]\n\n{\"a\":\"eyJ\"}");
    }

    #[test]
    fn control_characters_are_escaped_and_a_long_text_is_cut() {
        assert_eq!(masked(b"a\x1b[31m\0", &[]), "a\\u{1b}[31m\\u{0}");
        let long = masked("ä".repeat(4_000).as_bytes(), &[]);
        assert!(long.len() < LONGEST + 40 && long.contains("bytes cut"), "{}", long.len());
    }
}
