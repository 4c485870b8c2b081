//! Email addresses of persons. Addresses of programs, departments and examples, and other text with an `@`, are not reported.

use super::Personal;
use crate::detect::near::{before, window};
use mcp_contracts::guardrails::Severity::Medium;

/// Longest part before and after the sign, in bytes.
const MAX_PART: usize = 80;

/// Names that no person has.
const OFFICES: [&str; 38] = [
    "noreply",
    "no-reply",
    "donotreply",
    "do-not-reply",
    "support",
    "info",
    "admin",
    "administrator",
    "sales",
    "contact",
    "hello",
    "help",
    "helpdesk",
    "billing",
    "security",
    "abuse",
    "postmaster",
    "webmaster",
    "hostmaster",
    "root",
    "git",
    "notifications",
    "notification",
    "alerts",
    "newsletter",
    "team",
    "office",
    "press",
    "jobs",
    "careers",
    "marketing",
    "legal",
    "privacy",
    "bot",
    "ci",
    "mailer-daemon",
    "hr",
    "dev",
];
/// Domains and suffixes that no mail can reach.
const UNREACHABLE_DOMAINS: [&str; 16] = [
    "example.com",
    "example.org",
    "example.net",
    "example.edu",
    "email.com",
    "domain.com",
    "yourdomain.com",
    "company.com",
    "users.noreply.github.com",
    ".example",
    ".test",
    ".invalid",
    ".localhost",
    ".local",
    ".internal",
    ".gserviceaccount.com",
];
/// File name extensions that look like domains.
const FILES: [&str; 20] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "tsx", "jsx", "mjs", "css", "json", "html", "yml", "yaml",
    "service", "lock", "toml", "git",
];

pub(super) fn read(text: &str, at: usize) -> Option<Personal> {
    let ahead = window(text, at + 1, MAX_PART);
    let length = ahead.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')).count();
    let host = ahead[..length].trim_end_matches(['.', '-']);
    let left = before(text, at, MAX_PART);
    let local = left
        .rsplit(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '.' | '_' | '%' | '+' | '-')))
        .next()
        .unwrap_or_default();
    let local = local.trim_start_matches(['.', '-', '+', '%']);
    if local.is_empty() || host.is_empty() || !is_person(local) || !is_domain(host) {
        return None;
    }
    let start = at - local.len();
    let opening = &text[..start];
    // A login in an address of a machine, a handle, a copy over SSH.
    let word = left.rsplit([' ', '\t', '"', '\'', '<', '(', ',']).next().unwrap_or_default();
    let login = ["@", "/"].iter().any(|sign| opening.ends_with(sign)) || word.contains("://");
    let path = text[at + 1 + host.len()..].starts_with([':', '@', '_'])
        && text[at + 1 + host.len() + 1..]
            .starts_with(|next: char| next.is_ascii_alphanumeric() || matches!(next, '/' | '~'));
    (!login && !path).then_some(Personal { kind: "email", severity: Medium, place: start..at + 1 + host.len() })
}

fn is_person(local: &str) -> bool {
    let lower = local.to_lowercase();
    let base = lower.split('+').next().unwrap_or_default();
    let template =
        ["example", "your", "user", "username", "name", "someone", "foo", "bar", "test", "john.doe", "jane.doe"]
            .contains(&base);
    !OFFICES.contains(&base)
        && !template
        && !base.starts_with("noreply")
        && !base.ends_with("noreply")
        && !base.ends_with("no-reply")
        && !base.ends_with("-bot")
        && !lower.ends_with('.')
}

fn is_domain(host: &str) -> bool {
    let lower = host.to_ascii_lowercase();
    let Some((name, end)) = lower.rsplit_once('.') else { return false };
    let letters = (2..=18).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_lowercase());
    let nowhere = UNREACHABLE_DOMAINS.iter().any(|nowhere| {
        lower == nowhere.trim_start_matches('.')
            || lower.ends_with(nowhere)
                && (nowhere.starts_with('.') || lower[..lower.len() - nowhere.len()].ends_with('.'))
    });
    letters
        && !nowhere
        && !FILES.contains(&end)
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_match(text: &str) -> Option<&str> {
        read(text, text.find('@').unwrap()).map(|found| &text[found.place])
    }

    #[test]
    fn a_person_is_distinguished_from_an_office_and_a_program() {
        assert_eq!(first_match("write to maria.lindqvist@posteo.de."), Some("maria.lindqvist@posteo.de"));
        assert_eq!(first_match("\"m+shop@mail.co.uk\""), Some("m+shop@mail.co.uk"));
        for text in [
            "noreply@shop.de",
            "ana@example.com",
            "git@github.com:a/b.git",
            "icon@2x.png",
            "react@18.2.0",
            "https://ana:pw@db.shop.de/",
            "@ana@mastodon.social",
            "ana@build.internal",
            "@pytest.fixture",
            "a @ b",
        ] {
            assert_eq!(first_match(text), None, "{text}");
        }
    }
}
