//! Private keys in their armour: PEM, OpenSSH, OpenPGP and PuTTY. A key without a body is a mention.

use super::Secret;
use crate::detect::near::window;
use mcp_contracts::guardrails::Severity::Critical;

/// Longest key, in bytes.
const MAX_BYTES: usize = 8_000;
/// Longest first line.
const MAX_LABEL: usize = 60;
/// Fewest characters of a body.
const MIN_BODY: usize = 40;

pub(super) fn read(text: &str, start: usize) -> Option<Secret> {
    let block = window(text, start, MAX_BYTES);
    let (label, body) = if block.starts_with("PuTTY") {
        block.split_once("Private-Lines:")?
    } else {
        let label = window(block, "-----BEGIN ".len(), MAX_LABEL);
        let end = "-----BEGIN ".len() + label.find("-----")?;
        (&block[..end], &block[end + 5..])
    };
    if !label.starts_with("PuTTY") && !label.contains("PRIVATE KEY") {
        return None;
    }
    let closing = body.find("-----END").or_else(|| body.find("Private-MAC")).unwrap_or(body.len().min(2_000));
    let closing = crate::detect::near::window(body, 0, closing);
    // In a string of a program the ends of lines are written out.
    let written = closing.replace("\\n", " ");
    let signs =
        written.bytes().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')).count();
    let others = written
        .bytes()
        .filter(|byte| {
            !byte.is_ascii_alphanumeric() && !byte.is_ascii_whitespace() && !b"+/=\"',:-()\\#*>|".contains(byte)
        })
        .count();
    let spread = written.bytes().filter(u8::is_ascii_digit).count() * 50 >= signs;
    let body_ends = label.len() + (block.len() - label.len() - body.len()) + closing.len();
    let rest = &block[body_ends..];
    let tail = rest.strip_prefix("-----END").map_or(0, |after| after.find("-----").map_or(8, |end| end + 13));
    (signs >= MIN_BODY && others * 10 < signs && spread && super::entropy::bits(&written) > 3.5).then_some(Secret {
        kind: "private_key",
        severity: Critical,
        place: start..start + body_ends + tail.min(rest.len()),
    })
}
