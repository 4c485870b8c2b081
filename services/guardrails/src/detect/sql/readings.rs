//! Interpretations of one text: as mixed text and, if it looks like SQL, as SQL of each dialect. A verb begins a statement if one of them
//! accepts it. This module does not know what a statement does.

use super::context::{Context, Hidden, TextKind, VerbPosition, is_explained, word_before};
use super::dialect::{Dialect, Span, spans};
use super::words::{WORDS, is_one};
use crate::detect::near::{before, has_word, window};

/// How far back an `explain` may stand, in bytes.
const EXPLAIN_BYTES: usize = 200;
/// Number of bytes after the first word of a statement in which a word can show that the statement is harmless.
const UNLESS_BYTES: usize = 400;

#[derive(Debug)]
pub(super) struct Readings<'t> {
    text: &'t str,
    kind: TextKind,
    mixed: Context<'t>,
    /// Empty if no line of the text begins like SQL.
    dialects: Vec<(Dialect, Vec<Span>)>,
    /// True if the text as a whole runs what is in its strings.
    runs_strings: bool,
}

impl<'t> Readings<'t> {
    pub(super) fn of(text: &'t str, declared: bool) -> Self {
        let kind = match declared {
            true => TextKind::Declared,
            false if begins_as_sql(text) => TextKind::Sql,
            false => TextKind::Mixed,
        };
        let read = kind != TextKind::Mixed || text.lines().any(begins_as_sql);
        let dialects = if read { Dialect::of(text) } else { Vec::new() };
        let dialects: Vec<_> = dialects.into_iter().map(|dialect| (dialect, spans(text, dialect))).collect();
        let runs_strings = kind != TextKind::Mixed && {
            let small = text.to_lowercase();
            WORDS.runs.iter().any(|word| has_word(&small, word))
        };
        Self { text, kind, mixed: Context::new(text), dialects, runs_strings }
    }

    /// Returns the interpretations in which the verb at `at` may begin a statement.
    pub(super) fn places(&self, at: usize) -> Vec<VerbPosition> {
        let mixed = self.mixed.at(at);
        if self.kind == TextKind::Mixed {
            return match mixed {
                Ok(place) => vec![place],
                // Data for the program may still be a statement in the SQL around it.
                Err(Hidden::Data) => self.in_dialects(at),
                Err(Hidden::Comment | Hidden::Explained) => Vec::new(),
            };
        }
        let mut places = self.in_dialects(at);
        if places.is_empty() && self.runs_strings {
            places.extend(self.in_string(at));
            places.extend(mixed.ok().filter(|_| places.is_empty() && self.is_string(at)));
        }
        places
    }

    fn in_dialects(&self, at: usize) -> Vec<VerbPosition> {
        let line = before(self.text, at, EXPLAIN_BYTES);
        let word = word_before(line);
        if word.is_some_and(|word| is_one(&WORDS.clauses, word)) || is_explained(around(self.text, at)) {
            return Vec::new();
        }
        let after_word = word.is_some_and(|word| !is_one(&WORDS.openers, word));
        let live = self.dialects.iter().filter(|(_, spans)| span(spans, at).is_none());
        live.map(|(dialect, _)| VerbPosition { quote: None, after_word, text: self.kind, dialect: *dialect }).collect()
    }

    /// Returns the place of a verb inside a string, in the first dialect that reads a string or comment there; `None` for a comment.
    fn in_string(&self, at: usize) -> Option<VerbPosition> {
        let (dialect, span) = self.dialects.iter().find_map(|(dialect, spans)| Some((*dialect, span(spans, at)?)))?;
        if span.comment {
            return None;
        }
        let quote = Some(self.text.as_bytes()[span.range.start]).filter(|quote| matches!(quote, b'\'' | b'"' | b'`'));
        Some(VerbPosition { quote, after_word: false, text: self.kind, dialect })
    }

    fn is_string(&self, at: usize) -> bool {
        self.dialects.iter().any(|(_, spans)| span(spans, at).is_some_and(|span| !span.comment))
    }

    /// Returns the first word of the first statement that is unknown in the first dialect, if every dialect has an unknown statement. Only for a
    /// text that its sender declares to be SQL.
    pub(super) fn unknown(&self) -> Option<std::ops::Range<usize>> {
        if self.kind != TextKind::Declared {
            return None;
        }
        let mut unknown = self.dialects.iter().map(|(_, spans)| first_unknown(self.text, spans));
        let first = unknown.next()??;
        unknown.all(|unknown| unknown.is_some()).then_some(first)
    }
}

/// Returns the text before a verb in which an `EXPLAIN` may be, also on earlier lines.
fn around(text: &str, at: usize) -> &str {
    let mut start = at.saturating_sub(EXPLAIN_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..at]
}

fn span(spans: &[Span], at: usize) -> Option<&Span> {
    let next = spans.partition_point(|span| span.range.end <= at);
    spans.get(next).filter(|span| span.range.start <= at)
}

/// Returns true if the first word of a text begins an SQL statement and does not look like program code.
fn begins_as_sql(text: &str) -> bool {
    let start = skip_blanks(text, 0);
    let length = text[start..].bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'_').count();
    let after = text[start + length..].trim_start_matches([' ', '\t']);
    let spaced = after.len() < text.len() - start - length
        || after.starts_with(['\n', '\r', '(', '*', '/', ';', '\'', '"', '[', '`']);
    is_one(&WORDS.starts, &text[start..start + length]) && spaced && !after.starts_with(['=', ':', '.', ','])
}

/// Skips blanks, opening signs and comments of every dialect.
fn skip_blanks(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let skipped = if rest.starts_with("--") || rest.starts_with("# ") || rest.starts_with("#\n") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(hint) = rest.strip_prefix("/*!") {
            3 + hint.bytes().take_while(u8::is_ascii_digit).count()
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(0, |end| end + 2)
        } else {
            let blank = |sign: char| sign.is_whitespace() || matches!(sign, ';' | '(' | '\u{feff}');
            rest.chars().next().filter(|sign| blank(*sign)).map_or(0, char::len_utf8)
        };
        if skipped == 0 {
            return at;
        }
        at += skipped;
    }
}

fn first_unknown(text: &str, spans: &[Span]) -> Option<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let (mut at, mut begins, mut next) = (0, true, 0);
    while at < bytes.len() {
        if let Some(span) = spans.get(next).filter(|span| span.range.start == at) {
            // A statement cannot begin with a string.
            begins &= span.comment;
            at = span.range.end;
            next += 1;
            continue;
        }
        let length = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_' || **byte >= 0x80)
            .count();
        if length > 0 {
            let word = at..at + length;
            if begins && !is_known(text, &word) {
                return Some(word);
            }
            begins = false;
            at += length;
            continue;
        }
        begins = bytes[at] == b';'
            || begins && (bytes[at].is_ascii_whitespace() || matches!(bytes[at], b'(' | b'/' | b'*' | b'!' | b'$'));
        at += 1;
    }
    None
}

fn is_known(text: &str, word: &std::ops::Range<usize>) -> bool {
    let assigned = text[word.end..].trim_start().starts_with([':', '=']);
    let of_version = text[word.clone()].bytes().all(|byte| byte.is_ascii_digit());
    let first = &text[word.clone()];
    if let Some(words) = WORDS.unless.get(&first.to_ascii_lowercase()) {
        let rest = window(text, word.end, UNLESS_BYTES);
        let mut rest = rest
            .split(';')
            .next()
            .unwrap_or_default()
            .split(|sign: char| !sign.is_alphanumeric() && sign != '_' && sign != '#');
        return rest.any(|word| is_one(words, word) || word.starts_with('#'));
    }
    is_one(&WORDS.harmless, first) || is_one(&WORDS.verbs, first) || assigned || of_version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_is_distinguished_from_programs_and_sentences() {
        for text in
            ["select 1", "/* a */ -- b\n (SELECT 1)", "/*!50000 DROP TABLE a */", "BEGIN;", "with\na as (select 1)"]
        {
            assert!(begins_as_sql(text), "{text}");
        }
        for text in ["update = 1", "select.value", "db.query('SELECT 1')", "selected 1", "", "set: 4"] {
            assert!(!begins_as_sql(text), "{text}");
        }
    }

    #[test]
    fn a_declared_statement_begins_with_a_known_word() {
        let unknown = |text: &str| Readings::of(text, true).unknown().map(|word| text[word].to_owned());
        for text in [
            "SELECT 1; (select 2)",
            "SELECT 'it\\'s; so'",
            "SELECT 'c:\\'; SELECT ';x'",
            "CREATE FUNCTION f() AS $$ BEGIN x := 1; RETURN x; END $$;",
            "/*!50000 SELECT 1 */; -- done; yes\n",
        ] {
            assert_eq!(unknown(text), None, "{text}");
        }
        assert_eq!(unknown("SELECT 1; ERASE users"), Some("ERASE".to_owned()));
        assert_eq!(unknown("psql -c 'SELECT 1'"), Some("psql".to_owned()));
    }
}
