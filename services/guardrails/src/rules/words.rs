//! The fixed words of a pattern: every text that the pattern matches contains at least one of them. One search for the words of all rules
//! selects the patterns to run. This module works on syntax trees and does not depend on rules.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Shortest word, in bytes. A shorter one occurs in nearly every text, so it would select nearly every pattern.
const MIN_WORD: usize = 3;
/// Maximum number of words for one pattern.
const MAX_WORDS: usize = 64;
/// Maximum number of texts into which a sequence is expanded. Longer lists do not select patterns any better.
const MAX_RUN: usize = 16;
/// Maximum number of letters of a character class that is expanded.
const MAX_LETTERS: u32 = 4;
/// Maximum length of a word, in bytes; longer ones are cut.
const MAX_WORD: usize = 24;

/// Returns the words of a pattern in lower case; `None` if it has none.
pub(super) fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut words = of(hir)?;
    words.iter_mut().for_each(|word| word.truncate(MAX_WORD));
    words.sort();
    words.dedup();
    // A word that contains another one is redundant: a text with the first has the second as well.
    let redundant = |word: &Vec<u8>| words.iter().any(|other| other != word && contains(word, other));
    let redundant: Vec<bool> = words.iter().map(redundant).collect();
    let mut redundant = redundant.into_iter();
    words.retain(|_| !redundant.next().unwrap_or(false));
    Some(words)
}

fn of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => useful(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Capture(capture) => of(&capture.sub),
        // A part that may be missing from a match has no required word.
        HirKind::Repetition(repetition) if repetition.min > 0 => of(&repetition.sub),
        HirKind::Alternation(branches) => {
            let words: Option<Vec<_>> = branches.iter().map(of).collect();
            useful(words?.into_iter().flatten().collect())
        }
        HirKind::Concat(parts) => of_sequence(parts),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// Returns the best words of a sequence. The candidates are its runs of fixed texts, and the words of each of its parts.
fn of_sequence(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut candidates = Vec::new();
    let mut run = vec![Vec::new()];
    for part in parts {
        let longer = texts(part).and_then(|texts| joined(&run, &texts));
        match longer {
            Some(longer) => run = longer,
            None => {
                candidates.extend(useful(std::mem::replace(&mut run, texts(part).unwrap_or_else(|| vec![Vec::new()]))));
                candidates.extend(of(part));
            }
        }
    }
    candidates.extend(useful(run));
    candidates.into_iter().max_by_key(|words| worth(words))
}

/// Returns every text of `run` followed by every one of `texts`; `None` if there are too many.
fn joined(run: &[Vec<u8>], texts: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if run.len() * texts.len() > MAX_RUN {
        return None;
    }
    let join = |start: &Vec<u8>| texts.iter().map(move |end| [start.as_slice(), end].concat()).collect::<Vec<_>>();
    Some(run.iter().flat_map(join).collect())
}

fn contains(word: &[u8], other: &[u8]) -> bool {
    word.windows(other.len()).any(|part| part == other)
}

/// Ranks lists of words: by the length of the shortest word, up to 8 bytes, then the fewer words the better.
fn worth(words: &[Vec<u8>]) -> (usize, usize) {
    (words.iter().map(Vec::len).min().unwrap_or(0).min(8), usize::MAX - words.len())
}

fn useful(words: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let fits = !words.is_empty() && words.len() <= MAX_WORDS && words.iter().all(|word| word.len() >= MIN_WORD);
    fits.then_some(words)
}

/// Returns all texts that a part can match, in lower case; `None` if there are too many.
fn texts(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let few = |texts: Vec<Vec<u8>>| (texts.len() <= MAX_WORDS).then_some(texts);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Capture(capture) => texts(&capture.sub),
        HirKind::Class(Class::Bytes(class)) => {
            letters(class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))))
        }
        HirKind::Class(Class::Unicode(class)) => {
            letters(class.ranges().iter().map(|range| (range.start().into(), range.end().into())))
        }
        HirKind::Repetition(repetition) if repetition.min == 0 && repetition.max == Some(1) => {
            let mut some = texts(&repetition.sub)?;
            some.push(Vec::new());
            few(some)
        }
        HirKind::Alternation(branches) => {
            let all: Option<Vec<_>> = branches.iter().map(texts).collect();
            few(all?.into_iter().flatten().collect())
        }
        HirKind::Concat(parts) => parts.iter().try_fold(vec![Vec::new()], |run, part| joined(&run, &texts(part)?)),
        HirKind::Repetition(_) => None,
    }
}

/// Returns the ASCII letters of a small class, in lower case.
// With `(?i)` every letter of a pattern is a class of two, which is one letter in lower case. Without this, such patterns would
// have no words.
fn letters(ranges: impl Iterator<Item = (u32, u32)>) -> Option<Vec<Vec<u8>>> {
    let mut letters = Vec::new();
    for (start, end) in ranges {
        if end >= 128 || end - start >= MAX_LETTERS {
            return None;
        }
        letters.extend(
            (start..=end).filter_map(|letter| u8::try_from(letter).ok()).map(|letter| letter.to_ascii_lowercase()),
        );
    }
    letters.sort_unstable();
    letters.dedup();
    (letters.len() <= MAX_LETTERS as usize).then(|| letters.into_iter().map(|letter| vec![letter]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(pattern: &str) -> Option<Vec<String>> {
        let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
        Some(required(&hir)?.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn words_are_what_every_match_contains() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            (r"(?i)\bdrop\s+table\b", Some(&["table"])),
            (r"git push .*--force", Some(&["git push "])),
            (r"verify\s*=\s*False|rejectUnauthorized", Some(&["rejectunauthorized", "verify"])),
            (r"a.b|long words", None),
            (r"[0-9]{16}", None),
            (r"(?:secret)+[0-9]*", Some(&["secret"])),
            (r"(?:secret)*x", None),
            (r"(?i)sk-[a-z]+live", Some(&["live"])),
            (r"^\s*x(?:it|test)\(", Some(&["xit(", "xtest("])),
            (r"#\[(?:tokio::)?test\]", Some(&["#[test]", "#[tokio::test]"])),
            (r"(?:un)?safe_load", Some(&["safe_load"])),
            (r"[ab][cd]e+", None),
            (r"(?i)(?:0o?)?777", Some(&["777"])),
        ];
        for (pattern, expected) in cases {
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            assert_eq!(words(pattern), expected, "{pattern}");
        }
    }
}
