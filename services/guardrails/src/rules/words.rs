//! The fixed words of a pattern: a set of which at least one must be in every text that the pattern matches. One search for the words
//! of all rules says which patterns are worth running. Knows patterns as syntax trees and nothing of rules.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Shortest word that is worth searching for, in bytes.
const MIN_WORD: usize = 3;
/// Most words for one pattern.
const MAX_WORDS: usize = 64;
/// Longest word that is searched for, in bytes; of a longer one its beginning is.
const MAX_WORD: usize = 24;

/// The words of a pattern in small letters; `None` where it has none that help.
pub(super) fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut words = of(hir)?;
    words.iter_mut().for_each(|word| word.truncate(MAX_WORD));
    words.sort();
    words.dedup();
    Some(words)
}

fn of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => useful(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        HirKind::Alternation(branches) => {
            let words: Option<Vec<_>> = branches.iter().map(of).collect();
            useful(words?.into_iter().flatten().collect())
        }
        HirKind::Concat(parts) => of_sequence(parts),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// The best of the runs of fixed letters and of the parts that have words themselves.
fn of_sequence(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut candidates = Vec::new();
    let mut run = Vec::new();
    for part in parts {
        match letters(part) {
            Some(letters) => run.extend(letters),
            None => {
                candidates.extend(useful(vec![std::mem::take(&mut run)]));
                candidates.extend(of(part));
            }
        }
    }
    candidates.extend(useful(vec![run]));
    candidates.into_iter().max_by_key(|words| worth(words))
}

/// Long words first, then few.
fn worth(words: &[Vec<u8>]) -> (usize, usize) {
    (words.iter().map(Vec::len).min().unwrap_or(0).min(8), usize::MAX - words.len())
}

fn useful(words: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let fits = !words.is_empty() && words.len() <= MAX_WORDS && words.iter().all(|word| word.len() >= MIN_WORD);
    fits.then_some(words)
}

/// What stands for exactly these letters, capitals or not.
fn letters(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_ascii_lowercase()),
        HirKind::Capture(capture) => letters(&capture.sub),
        HirKind::Class(Class::Bytes(class)) => {
            one(class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))))
        }
        HirKind::Class(Class::Unicode(class)) => {
            one(class.ranges().iter().map(|range| (range.start().into(), range.end().into())))
        }
        HirKind::Look(_) => Some(Vec::new()),
        HirKind::Empty | HirKind::Repetition(_) | HirKind::Alternation(_) | HirKind::Concat(_) => None,
    }
}

/// The one ASCII letter that all ranges are, capital or not.
fn one(ranges: impl Iterator<Item = (u32, u32)>) -> Option<Vec<u8>> {
    let mut found = None;
    for (start, end) in ranges {
        let letter = u8::try_from(start).ok().filter(|byte| start == end && byte.is_ascii())?.to_ascii_lowercase();
        if found.is_some_and(|found| found != letter) {
            return None;
        }
        found = Some(letter);
    }
    found.map(|letter| vec![letter])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pattern: &str) -> Option<Vec<String>> {
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        Some(required(&hir)?.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn a_pattern_is_looked_for_by_what_it_must_contain() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            (r"(?i)\bdrop\s+table\b", Some(&["table"])),
            (r"git push .*--force", Some(&["git push "])),
            (r"verify\s*=\s*False|rejectUnauthorized", Some(&["rejectunauthorized", "verify"])),
            (r"a.b|long words", None),
            (r"[0-9]{16}", None),
            (r"(?:secret)+[0-9]*", Some(&["secret"])),
            (r"(?:secret)*x", None),
            (r"(?i)sk-[a-z]+live", Some(&["live"])),
        ];
        for (pattern, expected) in cases {
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            assert_eq!(words(pattern), expected, "{pattern}");
        }
    }
}
