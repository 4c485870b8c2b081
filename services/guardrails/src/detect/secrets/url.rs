//! Addresses with a password in them, such as those of databases and queues.

use super::Secret;
use super::entropy::CharacterKinds;
use super::placeholder::is_placeholder;
use crate::detect::near::window;
use mcp_contracts::guardrails::Severity::Critical;
use std::ops::Range;

/// Longest user and password, in bytes.
const MAX_BYTES: usize = 300;
/// Passwords of local set-ups that everybody knows.
const KNOWN: [&str; 17] = [
    "opensesame",
    "anoncvs",
    "anonymous",
    "password",
    "postgres",
    "root",
    "admin",
    "guest",
    "secret",
    "pass",
    "pw",
    "pwd",
    "test",
    "user",
    "rabbitmq",
    "redis",
    "mysql",
];

/// Reads the address whose `://` is at `separator`.
pub(super) fn read(text: &str, separator: Range<usize>) -> Option<Secret> {
    let scheme = text[..separator.start]
        .bytes()
        .rev()
        .take(24)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        .count();
    let ahead = window(text, separator.end, MAX_BYTES);
    let authority = &ahead[..ahead
        .find(|letter: char| letter.is_whitespace() || matches!(letter, '/' | '"' | '\'' | '`' | '?'))
        .unwrap_or(ahead.len())];
    // A password may hold a slash; then the last `@` of the word counts.
    let authority = if authority.contains('@') {
        authority
    } else {
        &ahead[..ahead
            .find(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '`' | '<' | '>'))
            .unwrap_or(ahead.len())]
    };
    let (login, host) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    // What was masked already looks like a user and a password: `[secret:github_token]`.
    let masked = user.starts_with('[') && password.ends_with(']');
    if scheme < 2 || masked || password.len() < 4 || user.contains('/') || password.contains("://") || host.is_empty() {
        return None;
    }
    let bare = password.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let known = KNOWN.iter().any(|known| password.eq_ignore_ascii_case(known) || bare.eq_ignore_ascii_case(known))
        || password.eq_ignore_ascii_case(user);
    let template = password.contains(['{', '$', '<', '*', '(', '['])
        && (password.contains(['}', '>', ')', ']']) || password.starts_with(['$', '*']));
    let words =
        CharacterKinds::of(password).kinds() == 1 && CharacterKinds::of(password).letters() > 0 && password.len() < 8;
    let start = separator.end + user.len() + 1;
    (!known && !template && !words && !is_placeholder(password)).then_some(Secret {
        kind: "connection_string",
        severity: Critical,
        place: start..start + password.len(),
    })
}
