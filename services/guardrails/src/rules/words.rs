//! The fixed words of a pattern: a set of which at least one must be in every text that the pattern matches. One search for the words
//! of all rules says which patterns are worth running. Knows patterns as syntax trees and nothing of rules.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Shortest word that is worth searching for, in bytes.
const MIN_WORD: usize = 3;
/// Most words for one pattern.
const MAX_WORDS: usize = 64;
/// Most texts that a run of a sequence may stand for; a longer list is no better a word.
const MAX_RUN: usize = 16;
/// Most letters of a class that are written out.
const MAX_LETTERS: u32 = 4;
/// Longest word that is searched for, in bytes; of a longer one its beginning is.
const MAX_WORD: usize = 24;

/// The words of a pattern in small letters; `None` where it has none that help.
pub(super) fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut words = of(hir)?;
    words.iter_mut().for_each(|word| word.truncate(MAX_WORD));
    words.sort();
    words.dedup();
    // A word that holds another one is found by it.
    let held = |word: &Vec<u8>| words.iter().any(|other| other != word && holds(word, other));
    let held: Vec<bool> = words.iter().map(held).collect();
    let mut held = held.into_iter();
    words.retain(|_| !held.next().unwrap_or(false));
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

/// The best of the runs of fixed texts and of the parts that have words themselves.
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

/// Every text of `run` followed by every one of `texts`; `None` where there would be too many.
fn joined(run: &[Vec<u8>], texts: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if run.len() * texts.len() > MAX_RUN {
        return None;
    }
    let join = |start: &Vec<u8>| texts.iter().map(move |end| [start.as_slice(), end].concat()).collect::<Vec<_>>();
    Some(run.iter().flat_map(join).collect())
}

fn holds(word: &[u8], other: &[u8]) -> bool {
    word.windows(other.len()).any(|part| part == other)
}

/// Long words first, then few.
fn worth(words: &[Vec<u8>]) -> (usize, usize) {
    (words.iter().map(Vec::len).min().unwrap_or(0).min(8), usize::MAX - words.len())
}

fn useful(words: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let fits = !words.is_empty() && words.len() <= MAX_WORDS && words.iter().all(|word| word.len() >= MIN_WORD);
    fits.then_some(words)
}

/// The few texts that a part stands for, in small letters; `None` where they are many.
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

/// The few ASCII letters of a class, small and capital ones as one.
fn letters(ranges: impl Iterator<Item = (u32, u32)>) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for (start, end) in ranges {
        if end >= 128 || end - start >= MAX_LETTERS {
            return None;
        }
        found.extend(
            (start..=end).filter_map(|letter| u8::try_from(letter).ok()).map(|letter| letter.to_ascii_lowercase()),
        );
    }
    found.sort_unstable();
    found.dedup();
    (found.len() <= MAX_LETTERS as usize).then(|| found.into_iter().map(|letter| vec![letter]).collect())
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
