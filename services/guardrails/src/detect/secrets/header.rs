//! Secrets where requests carry them: `Authorization` headers, and the login of a command.

use super::Secret;
use super::entropy::{CharacterKinds, bits};
use super::placeholder::is_placeholder;
use crate::detect::near::{byte, window};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mcp_contracts::guardrails::Severity::{Critical, High};
use std::ops::Range;

/// Words that a token follows; the last is the login of a registry, as container tools keep it.
pub(super) const WORDS: [&str; 3] = ["bearer ", "basic ", "\"auth\":"];
/// Longest token, in bytes.
const MAX_BYTES: usize = 600;

/// Reads what follows one of [`WORDS`].
pub(super) fn read(text: &str, word: Range<usize>) -> Option<Secret> {
    if byte(text, word.start.checked_sub(1)).is_ascii_alphanumeric() {
        return None;
    }
    let lower = text[word.clone()].to_ascii_lowercase();
    let (basic, registry) = (lower.starts_with("basic"), lower.starts_with('"'));
    let ahead = window(text, word.end, MAX_BYTES);
    let token_at = if registry { ahead.trim_start_matches([' ', '"']) } else { ahead };
    let begin = word.end + ahead.len() - token_at.len();
    let ahead = token_at;
    let length = ahead.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(byte)).count();
    let token = ahead[..length].trim_end_matches('.');
    let place = begin..begin + token.len();
    if basic || registry {
        let decoded = BASE64_STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
        let (_, password) = decoded.split_once(':')?;
        let real = password.len() >= 4 && !is_placeholder(password) && !decoded.contains(char::is_control);
        return real.then_some(Secret { kind: "basic_auth", severity: Critical, place });
    }
    let mix = CharacterKinds::of(token);
    let real = token.len() >= 20
        && mix.digit >= 2
        && mix.letters() >= 4
        && bits(token) >= 3.2
        && !is_placeholder(token)
        && !token.starts_with("eyJ");
    real.then_some(Secret { kind: "bearer_token", severity: High, place })
}

/// Reads the login of `curl -u user:password` and its like.
pub(super) fn login(text: &str, option: Range<usize>) -> Option<Secret> {
    if byte(text, option.start.checked_sub(1)) != b' '
        || !matches!(byte(text, Some(option.end)), b' ' | b'=' | b'"' | b'\'')
    {
        return None;
    }
    let ahead = window(text, option.end, 160);
    let ahead_trimmed = ahead.trim_start_matches([' ', '=', '"', '\'']);
    let start = option.end + ahead.len() - ahead_trimmed.len();
    let login = &ahead_trimmed[..ahead_trimmed
        .find(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\''))
        .unwrap_or(ahead_trimmed.len())];
    let (user, password) = login.split_once(':')?;
    let mix = CharacterKinds::of(password);
    let real = user.len() >= 2
        && password.len() >= 8
        && mix.kinds() >= 2
        && bits(password) >= 2.5
        && !is_placeholder(password)
        && !password.contains(['/', '$']);
    let start = start + user.len() + 1;
    real.then_some(Secret { kind: "login", severity: Critical, place: start..start + password.len() })
}
