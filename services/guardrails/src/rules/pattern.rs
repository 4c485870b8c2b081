//! One pattern, compiled: linear time, bounded memory, refused where it would match nearly every text.

use super::words;
use crate::linear;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_syntax::hir::Look;
use std::ops::Range;
use std::sync::Arc;

/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 2_048;
/// Texts in which no rule has anything to look for; a pattern that matches all of them matches everything.
pub(super) const HARMLESS: [&str; 3] = ["a quiet word about the weather", "let total = left + right;", "12 34"];

/// Where a pattern is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the text.
    Text,
    /// In what a diff removes.
    Removed,
    /// In the intent.
    Intent,
}

impl Place {
    pub(super) const ALL: [Self; 3] = [Self::Text, Self::Removed, Self::Intent];
}

/// How far a match may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Within a line.
    Line,
    /// Across lines.
    Whole,
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) place: Place,
    pub(super) reach: Reach,
    pub(super) regex: Regex,
    /// Lines that these match do not count.
    pub(super) except: Arc<[Regex]>,
    /// At least one of these is in every match.
    pub(super) words: Option<Vec<Vec<u8>>>,
}

impl Pattern {
    /// Compiles a pattern that a rule is looked for by.
    pub(super) fn new(pattern: &str, place: Place, reach: Reach) -> Result<Self, String> {
        let (regex, hir) = compile(pattern)?;
        if regex.is_match(b"") {
            return Err(format!("`{pattern}` matches an empty text, and so everything; say what must be there"));
        }
        if HARMLESS.iter().all(|text| regex.is_match(text.as_bytes())) {
            return Err(format!("`{pattern}` would match everything; say what must be there"));
        }
        Ok(Self { place, reach, regex, except: Arc::default(), words: words::required(&hir) })
    }

    /// Compiles words and phrases, in capitals or small letters, whole words only.
    pub(super) fn keywords(keywords: &[String], place: Place) -> Result<Self, String> {
        let phrase = |phrase: &String| {
            let escaped: Vec<String> = phrase.split_whitespace().map(regex_syntax::escape).collect();
            let edge = |letter: Option<char>| match letter {
                Some(letter) if letter.is_ascii_alphanumeric() || letter == '_' => r"\b",
                Some(_) | None => "",
            };
            format!("{}{}{}", edge(phrase.chars().next()), escaped.join(r"\s+"), edge(phrase.chars().last()))
        };
        let phrases: Vec<String> = keywords.iter().map(phrase).collect();
        Self::new(&format!("(?i)(?:{})", phrases.join("|")), place, Reach::Line)
    }

    /// The first bytes of those of `lines` in which it matches, at most `most`.
    pub(super) fn lines(
        &self,
        text: &str,
        lines: impl Iterator<Item = Range<usize>>,
        most: usize,
    ) -> impl Iterator<Item = usize> {
        let counts = move |line: &Range<usize>| {
            let line = &text.as_bytes()[line.clone()];
            self.regex.is_match(line) && !self.except.iter().any(|except| except.is_match(line))
        };
        lines.filter(counts).map(|line| line.start).take(most)
    }
}

/// Compiles a pattern that takes something out; it may match what it likes.
pub(super) fn exception(pattern: &str) -> Result<Regex, String> {
    compile(pattern).map(|(regex, _)| regex)
}

fn compile(pattern: &str) -> Result<(Regex, regex_syntax::hir::Hir), String> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("a pattern of {} bytes; at most {MAX_PATTERN_BYTES}", pattern.len()));
    }
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .multi_line(true)
        .crlf(true)
        .build()
        .parse(pattern)
        .map_err(|error| format!("`{pattern}` is not a pattern: {}", told(&error)))?;
    if hir.properties().look_set().contains(Look::Start) || hir.properties().look_set().contains(Look::End) {
        return Err(format!(r"`{pattern}` has `\A` or `\z`; patterns look at lines, use `^` and `$`"));
    }
    let regex = linear::bytes(pattern, syntax::Config::new().multi_line(true).crlf(true))
        .map_err(|error| format!("`{pattern}` cannot be used: {error}"))?;
    Ok((regex, hir))
}

fn told(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pattern: &str) -> String {
        Pattern::new(pattern, Place::Text, Reach::Line).unwrap_err()
    }

    #[test]
    fn a_pattern_that_matches_everything_is_refused() {
        for pattern in ["", ".*", ".", r"\w", r"[\s\S]+", "a*", "(?i)[a-z0-9]", "x|", "^", r"\b"] {
            assert!(refused(pattern).contains("everything"), "{pattern}");
        }
    }

    #[test]
    fn what_the_engine_cannot_do_in_linear_time_is_refused_and_so_is_what_is_huge() {
        assert!(refused(r"(?<=a)b").contains("look-around"));
        assert!(refused(r"(a)\1").contains("backreferences"));
        assert!(refused(r"x{1000}{1000}").contains("cannot be used"));
        assert!(refused(&"x".repeat(4_000)).contains("at most"));
        assert!(refused(r"\Ax").contains("lines"));
    }

    #[test]
    fn keywords_are_whole_words_in_any_case() {
        let pattern = Pattern::keywords(&["force push".into(), "rm -rf /".into()], Place::Text).unwrap();
        for text in ["FORCE  push it", "sudo rm -rf /"] {
            assert!(pattern.regex.is_match(text.as_bytes()), "{text}");
        }
        for text in ["enforce push", "force pushed", "rm -r"] {
            assert!(!pattern.regex.is_match(text.as_bytes()), "{text}");
        }
    }
}
