//! A compiled pattern: linear time, bounded memory. A pattern that matches nearly every text is refused.

use super::words;
use crate::linear;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_syntax::hir::Look;
use std::ops::Range;
use std::sync::Arc;

/// Maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 2_048;
/// Harmless texts. A pattern that matches all of them is taken to match everything.
pub(super) const HARMLESS: [&str; 3] = ["a quiet word about the weather", "let total = left + right;", "12 34"];

/// Part of the subject that a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchField {
    Text,
    /// Lines that a diff removes.
    Removed,
    Intent,
}

impl MatchField {
    pub(super) const ALL: [Self; 3] = [Self::Text, Self::Removed, Self::Intent];
}

/// Extent of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchExtent {
    Line,
    /// Across lines.
    Whole,
}

#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) place: MatchField,
    pub(super) reach: MatchExtent,
    pub(super) regex: Regex,
    /// Lines that one of these matches are ignored.
    pub(super) except: Arc<[Regex]>,
    /// Every match contains at least one of these words.
    pub(super) words: Option<Vec<Vec<u8>>>,
}

impl Pattern {
    /// Compiles a pattern; refuses one that would match everything.
    pub(super) fn new(pattern: &str, place: MatchField, reach: MatchExtent) -> Result<Self, String> {
        let (regex, hir) = compile(pattern)?;
        if regex.is_match(b"") {
            return Err(format!("`{pattern}` matches an empty text, so it matches everything; make it more specific"));
        }
        if HARMLESS.iter().all(|text| regex.is_match(text.as_bytes())) {
            return Err(format!("`{pattern}` would match everything; make it more specific"));
        }
        Ok(Self { place, reach, regex, except: Arc::default(), words: words::required(&hir) })
    }

    /// Compiles words and phrases: whole words, in upper or lower case.
    pub(super) fn keywords(keywords: &[String], place: MatchField) -> Result<Self, String> {
        let phrase = |phrase: &String| {
            let escaped: Vec<String> = phrase.split_whitespace().map(regex_syntax::escape).collect();
            // `\b` needs a letter or a digit beside it: `\bC#\b` never matches in `write C# code`.
            let edge = |letter: Option<char>| match letter {
                Some(letter) if letter.is_ascii_alphanumeric() || letter == '_' => r"\b",
                Some(_) | None => "",
            };
            format!("{}{}{}", edge(phrase.chars().next()), escaped.join(r"\s+"), edge(phrase.chars().last()))
        };
        let phrases: Vec<String> = keywords.iter().map(phrase).collect();
        Self::new(&format!("(?i)(?:{})", phrases.join("|")), place, MatchExtent::Line)
    }

    /// Returns the starts of the lines in which the pattern matches, at most `most`.
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

/// Compiles a pattern for exceptions; it may match everything.
pub(super) fn exception(pattern: &str) -> Result<Regex, String> {
    compile(pattern).map(|(regex, _)| regex)
}

fn compile(pattern: &str) -> Result<(Regex, regex_syntax::hir::Hir), String> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("the pattern has {} bytes; at most {MAX_PATTERN_BYTES} are allowed", pattern.len()));
    }
    // With the same options as the compiled pattern. `crlf`: `$` also matches before the line end of Windows.
    let hir = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .multi_line(true)
        .crlf(true)
        .build()
        .parse(pattern)
        .map_err(|error| format!("`{pattern}` is not a valid pattern: {}", reason(&error)))?;
    if hir.properties().look_set().contains(Look::Start) || hir.properties().look_set().contains(Look::End) {
        return Err(format!(r"`{pattern}` has `\A` or `\z`; patterns match lines, use `^` and `$`"));
    }
    let regex = linear::bytes(pattern, syntax::Config::new().multi_line(true).crlf(true))
        .map_err(|error| format!("`{pattern}` cannot be compiled: {error}"))?;
    Ok((regex, hir))
}

fn reason(error: &regex_syntax::Error) -> String {
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
        Pattern::new(pattern, MatchField::Text, MatchExtent::Line).unwrap_err()
    }

    #[test]
    fn a_pattern_that_matches_everything_is_refused() {
        for pattern in ["", ".*", ".", r"\w", r"[\s\S]+", "a*", "(?i)[a-z0-9]", "x|", "^", r"\b"] {
            assert!(refused(pattern).contains("everything"), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_need_more_than_linear_time_or_much_memory_are_refused() {
        assert!(refused(r"(?<=a)b").contains("look-around"));
        assert!(refused(r"(a)\1").contains("backreferences"));
        assert!(refused(r"x{1000}{1000}").contains("cannot be compiled"));
        assert!(refused(&"x".repeat(4_000)).contains("at most"));
        assert!(refused(r"\Ax").contains("lines"));
    }

    #[test]
    fn keywords_are_whole_words_in_any_case() {
        let pattern = Pattern::keywords(&["force push".into(), "rm -rf /".into()], MatchField::Text).unwrap();
        for text in ["FORCE  push it", "sudo rm -rf /"] {
            assert!(pattern.regex.is_match(text.as_bytes()), "{text}");
        }
        for text in ["enforce push", "force pushed", "rm -r"] {
            assert!(!pattern.regex.is_match(text.as_bytes()), "{text}");
        }
    }
}
