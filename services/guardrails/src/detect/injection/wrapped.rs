//! Orders in an encoding: base64 and hexadecimal, decoded once and a bounded number of times. What decodes to no text is left alone.

use super::fold::Folded;
use super::phrases;
use crate::detect::finding::Findings;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::GeneralPurposeConfig;
use mcp_contracts::guardrails::Severity;

/// Shortest run of characters that can hold an order.
const MIN_RUN: usize = 24;
/// Maximum length that is decoded; a longer run is cut to it.
const MAX_RUN: usize = 4_096;
/// Most runs of one text that are decoded.
const MAX_RUNS: usize = 64;

const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn find(text: &str, findings: &mut Findings) {
    let mut decoded = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && decoded < MAX_RUNS && !findings.done() {
        let length = bytes[at..].iter().take_while(|byte| is_base64(**byte)).count();
        if length >= MIN_RUN && is_mixed(&bytes[at..at + length]) {
            decoded += 1;
            if reads_as_order(&text[at..at + length.min(MAX_RUN)]) {
                let padding = bytes[at + length..].iter().take(2).take_while(|byte| **byte == b'=').count();
                findings.add("wrapped", Severity::High, at..at + length + padding);
            }
        }
        at += length.max(1);
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Prose and paths have no digits and capitals among small letters; what is encoded has.
fn is_mixed(run: &[u8]) -> bool {
    let capitals = run.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    capitals + digits >= run.len() / 8
}

fn reads_as_order(run: &str) -> bool {
    let hexadecimal = run.len().is_multiple_of(2) && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = if hexadecimal { hex::decode(run).ok() } else { decode(run) };
    let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else { return false };
    let readable = text.chars().all(|letter| !letter.is_control() || letter.is_whitespace());
    readable && phrases::has_order(&Folded::of(&text))
}

fn decode(run: &str) -> Option<Vec<u8>> {
    let standard = run.replace('-', "+").replace('_', "/");
    // A run that was cut may end within a group.
    let whole = standard.len() - if standard.len() % 4 == 1 { 1 } else { 0 };
    STANDARD.decode(&standard[..whole]).ok()
}
