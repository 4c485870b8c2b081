//! Secrets: tokens of providers, keys, tokens in headers, addresses with a password, and values under names that say that they are secret. One
//! search for fixed prefixes finds the places to examine. Each examination is bounded, so that a text full of prefixes costs no more per byte.

mod assignment;
mod entropy;
mod header;
mod jwt;
mod key_block;
mod placeholder;
mod token;
mod url;
mod words;

use super::finding::Findings;
use aho_corasick::{AhoCorasick, MatchKind};
use mcp_contracts::guardrails::Severity;
use std::ops::Range;
use std::sync::LazyLock;

/// A secret and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Secret {
    kind: &'static str,
    severity: Severity,
    place: Range<usize>,
}

/// Detector that a prefix selects.
#[derive(Debug, Clone, Copy)]
enum PrefixDetector {
    /// The kinds of token with this mark, by their place in the table.
    Token(usize),
    KeyBlock,
    Jwt,
    Url,
    Header,
    Login,
    Name,
}

struct Search {
    tokens: Vec<(&'static str, &'static [&'static token::Token])>,
    exact: AhoCorasick,
    exact_leads: Vec<PrefixDetector>,
    loose: AhoCorasick,
    loose_leads: Vec<PrefixDetector>,
}

static SEARCH: LazyLock<Search> = LazyLock::new(|| {
    let marks = token::TOKENS.by_mark.keys().enumerate();
    let mut exact: Vec<(&str, PrefixDetector)> =
        marks.map(|(number, mark)| (mark.as_str(), PrefixDetector::Token(number))).collect();
    exact.extend([
        ("-----BEGIN ", PrefixDetector::KeyBlock),
        ("PuTTY-User-Key-File-", PrefixDetector::KeyBlock),
        ("eyJ", PrefixDetector::Jwt),
        ("://", PrefixDetector::Url),
        ("-u", PrefixDetector::Login),
        ("--user", PrefixDetector::Login),
    ]);
    let mut loose: Vec<(&str, PrefixDetector)> =
        words::WORDS.names.iter().map(|name| (name.as_str(), PrefixDetector::Name)).collect();
    loose.extend(header::WORDS.iter().map(|word| (*word, PrefixDetector::Header)));
    let build = |words: &[(&str, PrefixDetector)], any_case| {
        AhoCorasick::builder()
            .ascii_case_insensitive(any_case)
            .match_kind(MatchKind::LeftmostLongest)
            .build(words.iter().map(|(word, _)| word))
            .expect("the beginnings are few and fixed")
    };
    Search {
        tokens: token::TOKENS.by_mark.iter().map(|(mark, kinds)| (mark.as_str(), kinds.as_slice())).collect(),
        exact_leads: exact.iter().map(|(_, lead)| *lead).collect(),
        exact: build(&exact, false),
        loose_leads: loose.iter().map(|(_, lead)| *lead).collect(),
        loose: build(&loose, true),
    }
});

/// The dates of the tokens and of the words.
pub(super) fn table_dates() -> [&'static str; 2] {
    [&token::TOKENS.date, &words::WORDS.date]
}

pub(super) fn find(text: &str, findings: &mut Findings) {
    let search = &*SEARCH;
    for (automaton, leads) in [(&search.exact, &search.exact_leads), (&search.loose, &search.loose_leads)] {
        let mut read_to = 0;
        for found in automaton.find_iter(text) {
            if findings.done() {
                return;
            }
            if found.start() < read_to {
                continue;
            }
            let secret = match leads[found.pattern().as_usize()] {
                PrefixDetector::Token(number) => {
                    let (mark, kinds) = search.tokens[number];
                    token::read(text, found.start(), mark, kinds)
                }
                PrefixDetector::KeyBlock => key_block::read(text, found.start()),
                PrefixDetector::Jwt => jwt::read(text, found.start()),
                PrefixDetector::Url => url::read(text, found.range()),
                PrefixDetector::Login => header::login(text, found.range()),
                PrefixDetector::Header => header::read(text, found.range()),
                PrefixDetector::Name => assignment::read(text, found.range()),
            };
            if let Some(secret) = secret {
                read_to = secret.place.end;
                findings.add(secret.kind, secret.severity, secret.place);
            }
        }
    }
}
