//! Searches the logs of every part for secrets, which they must never contain: the key of tokens, tokens, and contents
//! of memories.

use crate::stack::Stack;
use harness_history::experiment::LeakedSecret;

/// Maximum number of findings that are kept. A single one fails the check.
const MOST: usize = 20;

/// What a log must not have.
pub(super) struct Sought<'a> {
    /// The key of tokens, or the tokens of a target; an empty text is none.
    pub(super) secrets: Vec<&'a str>,
    /// True if contents count. A server that is none of this product may log what it is sent; that is for its operator to decide.
    pub(super) contents: bool,
}

/// Searches the whole log of every part. Also returns the number of lines.
pub(super) async fn search(stack: &Stack, sought: &Sought<'_>) -> (Vec<LeakedSecret>, u64) {
    let (mut seen, mut lines) = (Vec::new(), 0);
    for part in stack.parts() {
        let Ok(log) = stack.log(&part.name).await else { continue };
        for (number, line) in log.lines().enumerate() {
            lines += 1;
            if let Some(what) = secret_in(line, sought)
                && seen.len() < MOST
            {
                seen.push(LeakedSecret { log: part.name.clone(), line: number as u64 + 1, what: what.to_owned() });
            }
        }
    }
    (seen, lines)
}

/// Returns the kind of secret in a line.
fn secret_in(line: &str, sought: &Sought<'_>) -> Option<&'static str> {
    if sought.secrets.iter().any(|secret| !secret.is_empty() && line.contains(secret)) {
        return Some("key of tokens");
    }
    // A signed token has three parts in base64url. The first part encodes `{"…`, so it begins with `eyJ`.
    let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    if words.any(|word| word.starts_with("eyJ") && word.split('.').filter(|part| part.len() >= 16).count() >= 3) {
        return Some("token");
    }
    // Every content that the harness writes ends with its mark.
    (sought.contents && line.contains("canary:")).then_some("content of a memory")
}

#[cfg(test)]
mod tests {
    use super::{Sought, secret_in};

    #[test]
    fn keys_tokens_and_contents_are_found_and_ordinary_lines_are_not() {
        let of = |line: &str, secret: &'static str| secret_in(line, &Sought { secrets: vec![secret], contents: true });
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJvcmdJZCI6ImFjbWUifQ.c2lnbmF0dXJlLW9mLWEtdG9rZW4";
        assert_eq!(of("{\"message\":\"started with sesame-sesame\"}", "sesame-sesame"), Some("key of tokens"));
        assert_eq!(of(&format!("authorization: Bearer {token}"), "k"), Some("token"));
        assert_eq!(of("stored the ledger was slow canary:acme/ann/p/1", "k2"), Some("content of a memory"));
        assert_eq!(of("{\"tool\":\"store_memory\",\"orgId\":\"acme\",\"durationMs\":3}", "k2"), None);
    }

    #[test]
    fn a_target_without_a_token_has_no_secret_and_may_log_contents() {
        let target = Sought { secrets: vec![""], contents: false };
        assert_eq!(secret_in("stored canary:acme/ann/p/1", &target), None);
    }
}
