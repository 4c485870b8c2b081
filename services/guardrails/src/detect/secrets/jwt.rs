//! Signed tokens (JWT, RFC 7519): three parts, the first of which decodes to a header that names an algorithm.

use super::Secret;
use crate::detect::near::{byte, window};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mcp_contracts::guardrails::Severity::High;

/// Longest token, in bytes.
const MAX_BYTES: usize = 4_000;
/// Fewest characters of a signature.
const MIN_SIGNATURE: usize = 32;
/// The signature of the token that documentation all over the world shows.
const SHOWN: &str = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";

pub(super) fn read(text: &str, start: usize) -> Option<Secret> {
    if byte(text, start.checked_sub(1)).is_ascii_alphanumeric() {
        return None;
    }
    let rest = window(text, start, MAX_BYTES);
    let part = |text: &str| {
        text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count()
    };
    let header = part(rest);
    let payload = part(rest[header..].strip_prefix('.')?);
    let signed = header + 1 + payload;
    let signature = part(rest[signed..].strip_prefix('.')?);
    let end = signed + 1 + signature;
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(&rest[..header]).ok()?;
    let names_algorithm = decoded.windows(5).any(|bytes| bytes == b"\"alg\"");
    let shown = &rest[signed + 1..end] == SHOWN || super::placeholder::is_placeholder(&rest[signed + 1..end]);
    (names_algorithm && payload >= 16 && signature >= MIN_SIGNATURE && !shown).then_some(Secret {
        kind: "jwt",
        severity: High,
        place: start..start + end,
    })
}
