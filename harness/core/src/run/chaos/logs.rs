//! Searches the logs of every part for secrets, which they must never contain: the key of tokens, tokens, and contents
//! of memories.

use crate::drive::client::Bearer;
use crate::stack::Stack;
use harness_history::experiment::LeakedSecret;
use std::sync::Arc;

/// Maximum number of findings that are kept. A single one fails the check.
const MOST: usize = 20;

/// Minimum length of a token of a target that is searched for, in bytes. A shorter one, such as `test`, is a word that any line may have.
const LEAST_TOKEN_BYTES: usize = 8;

/// What a log must not have.
pub(super) struct LogSecrets<'a> {
    /// The key of tokens; empty if the stack has none.
    pub(super) key: &'a str,
    /// The tokens of a target, those before a renewal included.
    pub(super) tokens: Vec<Arc<str>>,
    /// True if contents count. A server that is none of this product may log what it is sent; that is for its operator to decide.
    pub(super) contents: bool,
}

/// Returns the tokens of a target. There are none unless each of its users has one that can be searched for, because a log without the others would
/// prove nothing.
pub(super) fn tokens_of(bearers: &[Option<Arc<Bearer>>]) -> Vec<Arc<str>> {
    let tokens: Option<Vec<_>> = bearers.iter().map(|bearer| Some(bearer.as_ref()?.all())).collect();
    let tokens = tokens.map(|tokens| tokens.concat()).unwrap_or_default();
    if tokens.iter().all(|token| token.len() >= LEAST_TOKEN_BYTES) { tokens } else { Vec::new() }
}

/// Searches the whole log of every part. Also returns the number of lines.
pub(super) async fn search(stack: &Stack, sought: &LogSecrets<'_>) -> (Vec<LeakedSecret>, u64) {
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
fn secret_in(line: &str, sought: &LogSecrets<'_>) -> Option<&'static str> {
    if !sought.key.is_empty() && line.contains(sought.key) {
        return Some("key of tokens");
    }
    if sought.tokens.iter().any(|token| !token.is_empty() && line.contains(&**token)) {
        return Some("token");
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
    use super::{Bearer, LogSecrets, secret_in, tokens_of};
    use crate::plan::bearer::BearerSource;
    use std::sync::Arc;

    #[test]
    fn keys_tokens_and_contents_are_found_and_ordinary_lines_are_not() {
        let of =
            |line: &str, key: &'static str| secret_in(line, &LogSecrets { key, tokens: Vec::new(), contents: true });
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJvcmdJZCI6ImFjbWUifQ.c2lnbmF0dXJlLW9mLWEtdG9rZW4";
        assert_eq!(of("{\"message\":\"started with sesame-sesame\"}", "sesame-sesame"), Some("key of tokens"));
        assert_eq!(of(&format!("authorization: Bearer {token}"), "k"), Some("token"));
        assert_eq!(of("stored the ledger was slow canary:acme/ann/p/1", "k2"), Some("content of a memory"));
        assert_eq!(of("{\"tool\":\"store_memory\",\"orgId\":\"acme\",\"durationMs\":3}", "k2"), None);
    }

    #[test]
    fn a_target_without_a_token_has_no_secret_and_may_log_contents() {
        let target = LogSecrets { key: "", tokens: vec![Arc::from("")], contents: false };
        assert_eq!(secret_in("stored canary:acme/ann/p/1", &target), None);
    }

    #[test]
    fn the_tokens_of_a_target_are_found_those_before_a_renewal_included() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let open = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Some(Arc::new(Bearer::open(&BearerSource::File(path.clone())).unwrap()))
        };
        let bearer = open("opaque-first");
        std::fs::write(&path, "opaque-second").unwrap();
        bearer.as_ref().unwrap().refused(1);
        let tokens = tokens_of(std::slice::from_ref(&bearer));
        assert_eq!(tokens, [Arc::from("opaque-first"), Arc::from("opaque-second")] as [Arc<str>; 2]);
        let target = LogSecrets { key: "", tokens, contents: false };
        for line in ["GET /mcp Authorization=Bearer opaque-first", "token=opaque-second refused"] {
            assert_eq!(secret_in(line, &target), Some("token"), "{line}");
        }
        assert_eq!(secret_in("GET /mcp 200", &target), None);
        assert!(tokens_of(&[None]).is_empty(), "without a token there is nothing to search for");
        assert!(tokens_of(&[bearer, open("test")]).is_empty(), "a short word is in many lines that leak nothing");
    }
}
