//! IP addresses that can identify a person: public ones. Private, documentation and well-known addresses, networks and version numbers are
//! not reported.

use super::Personal;
use super::number::Number;
use crate::detect::near::{before, byte, has_word, window};
use mcp_contracts::guardrails::Severity::Low;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Public DNS resolvers, and addresses that are used as placeholders.
const KNOWN: [&str; 12] = [
    "8.8.8.8",
    "8.8.4.4",
    "1.1.1.1",
    "1.0.0.1",
    "9.9.9.9",
    "208.67.222.222",
    "208.67.220.220",
    "1.2.3.4",
    "4.3.2.1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "4.4.4.4",
];
/// Words before a version.
const VERSIONS: [&str; 8] = ["version", "versions", "ver", "v", "release", "build", "upgrade", "upgraded"];

pub(super) fn read(number: &Number<'_>) -> Option<Personal> {
    ipv4(number).or_else(|| ipv6(number))
}

fn ipv4(number: &Number<'_>) -> Option<Personal> {
    if number.run > 3
        || !number.is_free() && number.previous() != b'-' && number.previous() != b'/'
        || number.previous() == b'/' && !number.text[..number.start].ends_with("//")
    {
        return None;
    }
    let (_, end) = number.digits(b".");
    let form = &number.text[number.start..end];
    let address: Ipv4Addr = form.parse().ok()?;
    let [a, b, c, _] = address.octets();
    let private = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation();
    let special = a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || a == 198 && matches!(b, 18 | 19);
    let network = byte(number.text, Some(end)) == b'/'
        && byte(number.text, Some(end + 1)).is_ascii_digit()
        && !number.text[end..].starts_with("/32");
    (!private
        && !special
        && !network
        && !KNOWN.contains(&form)
        && !is_version(number, address)
        && number_closes(number, end))
    .then(|| number.matched("ip_address", Low, number.start..end))
}

/// Returns true for a version, a section number or an object identifier: a word before it names a version, or its octets are small (or it begins
/// like an object identifier) and no word before it names an address.
fn is_version(number: &Number<'_>, address: Ipv4Addr) -> bool {
    let before = before(number.text, number.start, 24).to_lowercase();
    let small = address.octets().iter().filter(|octet| **octet < 30).count() >= 3;
    let named = VERSIONS.iter().any(|word| has_word(&before, word));
    // Section numbers, versions and object identifiers have small parts. IP addresses rarely do, and then a word before them usually says so.
    let object = matches!(address.octets(), [1, 3, ..] | [2, 5, ..]);
    let said = ["ip", "addr", "address", "host", "client", "remote", "peer"].iter().any(|word| has_word(&before, word));
    (small || object) && !said || named && !has_word(&before, "ip")
}

fn number_closes(number: &Number<'_>, end: usize) -> bool {
    let right = byte(number.text, Some(end));
    !(right.is_ascii_alphanumeric()
        || right == b'_'
        || right == b'.' && byte(number.text, Some(end + 1)).is_ascii_digit()
        || right == b'-' && byte(number.text, Some(end + 1)).is_ascii_alphanumeric())
}

/// Reads an IPv6 address. Assigned public addresses begin with 2 or 3.
fn ipv6(number: &Number<'_>) -> Option<Personal> {
    let first = number.text.as_bytes()[number.start];
    if !matches!(first, b'2' | b'3')
        || number.previous().is_ascii_alphanumeric()
        || matches!(number.previous(), b':' | b'.' | b'_' | b'-')
    {
        return None;
    }
    let ahead = window(number.text, number.start, 40);
    let length = ahead.bytes().take_while(|byte| byte.is_ascii_hexdigit() || *byte == b':').count();
    let form = ahead[..length].trim_end_matches(':');
    if form.bytes().filter(|byte| *byte == b':').count() < 2 {
        return None;
    }
    let address: Ipv6Addr = form.parse().ok()?;
    let [a, b, ..] = address.segments();
    let given = a & 0xe000 == 0x2000 && !(a == 0x2001 && matches!(b, 0 | 0xdb8)) && a != 0x3fff;
    let end = number.start + form.len();
    let network = byte(number.text, Some(end)) == b'/';
    (given && !network && !KNOWN.contains(&form)).then(|| number.matched("ip_address", Low, number.start..end))
}
