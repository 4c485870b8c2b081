//! Where a verb stands in a text that is not only SQL: in a comment, in a string of a program, in a string of SQL, in a sentence. Nothing here
//! reads a statement.

use super::dialect::{Dialect, is_apostrophe, spans};
use super::words::WORDS;
use crate::detect::near::{before, byte, is_wordy};
use std::ops::Range;

/// How much of a line before a verb is looked at, in bytes.
const BEFORE_BYTES: usize = 400;

/// Where a verb stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerbPosition {
    /// The innermost open quote; the statement ends at its closing quote at the latest.
    pub(super) quote: Option<u8>,
    /// True if a word precedes the verb on the same line, as in a sentence.
    pub(super) after_word: bool,
    pub(super) text: TextKind,
    pub(super) dialect: Dialect,
}

/// Kind of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    /// A program, a log or a sentence with statements in it.
    Mixed,
    /// The text begins like SQL.
    Sql,
    /// Its sender declares it to be SQL.
    Declared,
}

/// Why a verb does not begin a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Comment,
    Data,
    Explained,
}

/// A text that is not only SQL, with the positions of its block comments.
#[derive(Debug)]
pub(super) struct Context<'t> {
    text: &'t str,
    comments: Vec<Range<usize>>,
}

impl<'t> Context<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let spans = spans(text, Dialect::MIXED);
        let blocks = spans.into_iter().filter(|span| span.comment && text[span.range.clone()].starts_with("/*"));
        Self { text, comments: blocks.map(|span| span.range).collect() }
    }

    /// Returns the place of the verb at `at`, or the reason why it does not begin a statement.
    pub(super) fn at(&self, at: usize) -> Result<VerbPosition, Hidden> {
        let next = self.comments.partition_point(|comment| comment.end <= at);
        let line = before(self.text, at, BEFORE_BYTES);
        let quotes = Quotes::of(command(line));
        if quotes.commented || self.comments.get(next).is_some_and(|comment| comment.start <= at) {
            return Err(Hidden::Comment);
        }
        if quotes.data(command(line)) {
            return Err(Hidden::Data);
        }
        if is_explained(line) {
            return Err(Hidden::Explained);
        }
        let after_word = word_before(line).is_some();
        Ok(VerbPosition { quote: quotes.innermost(), after_word, text: TextKind::Mixed, dialect: Dialect::MIXED })
    }
}

/// Returns the word before a verb on its line, if blanks separate them.
pub(super) fn word_before(line: &str) -> Option<&str> {
    let word = line.trim_end().rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
    word.filter(|word| !word.is_empty() && line.ends_with([' ', '\t']))
}

/// Returns true if the verb after `before` is only explained and not run. `EXPLAIN ANALYZE` runs it.
pub(super) fn is_explained(before: &str) -> bool {
    let statement = before.rsplit(';').next().unwrap_or_default().to_lowercase();
    let words = statement.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let mut words = words.filter(|word| !word.is_empty()).skip_while(|word| *word != "explain");
    words.next().is_some() && words.all(|word| WORDS.explains.iter().any(|known| known == word))
}

/// Returns the command of a database client after ` -- `, as in `kubectl exec pod -- psql`, or the whole line. This `--` begins no comment.
fn command(line: &str) -> &str {
    let client = line.match_indices(" -- ").map(|(at, dashes)| &line[at + dashes.len()..]);
    client.filter(|client| WORDS.runs.iter().any(|word| client.starts_with(word.as_str()))).last().unwrap_or(line)
}

/// Returns true if a verb is a separate word, not a method or a part of a name.
pub(super) fn is_whole_word(text: &str, verb: Range<usize>) -> bool {
    let left = byte(text, verb.start.checked_sub(1));
    // In escaped text, the line break before the verb is the two characters `\n`.
    let escaped = matches!(left, b'n' | b't' | b'r') && byte(text, verb.start.checked_sub(2)) == b'\\';
    let encoded = text[..verb.start].ends_with("%20") || text[..verb.start].ends_with("%0A");
    // MySQL runs the content of a comment that begins with `/*!` and a version, such as `/*!50000DROP`.
    let hinted = text[..verb.start].trim_end_matches(|sign: char| sign.is_ascii_digit()).ends_with("/*!");
    let left = escaped
        || encoded
        || hinted
        || !(is_wordy(left) || matches!(left, b'.' | b'-' | b'$' | b'@') && !starts_line(text, verb.start));
    left && !is_wordy(byte(text, Some(verb.end)))
}

/// Returns true if only one character, the sign of a diff, precedes `at` on its line.
fn starts_line(text: &str, at: usize) -> bool {
    at == 1 || byte(text, at.checked_sub(2)) == b'\n'
}

/// The quotes that are open at the end of the part of a line before a verb.
#[derive(Debug, Default)]
struct Quotes {
    outer: Option<(u8, usize)>,
    inner: Option<(u8, usize)>,
    commented: bool,
}

impl Quotes {
    fn of(line: &str) -> Self {
        let mut quotes = Self {
            commented: line.trim_start_matches(['+', '-', ' ', '\t']).starts_with(['#', '*']),
            ..Self::default()
        };
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' => at += 1,
                quote @ (b'"' | b'\'' | b'`') if !is_apostrophe(bytes, at) => quotes.turn(quote, at),
                b'-' if bytes[at..].starts_with(b"--") && quotes.outer.is_none() => {
                    // An option of a command is no comment.
                    quotes.commented |= bytes.get(at + 2).is_none_or(|next| !next.is_ascii_alphabetic());
                }
                b'/' if bytes[at..].starts_with(b"//") && quotes.outer.is_none() => {
                    quotes.commented |= at == 0 || bytes[at - 1] != b':';
                }
                _ => {}
            }
            at += 1;
        }
        quotes
    }

    fn turn(&mut self, quote: u8, at: usize) {
        match (self.outer, self.inner) {
            (None, _) => self.outer = Some((quote, at)),
            (Some((outer, _)), _) if outer == quote => (self.outer, self.inner) = (None, None),
            (Some(_), None) => self.inner = Some((quote, at)),
            (Some(_), Some((inner, _))) if inner == quote => self.inner = None,
            (Some(_), Some(_)) => {}
        }
    }

    fn innermost(&self) -> Option<u8> {
        self.inner.or(self.outer).map(|(quote, _)| quote)
    }

    /// Returns true if the innermost quote contains data of another statement.
    fn data(&self, line: &str) -> bool {
        let Some((b'\'', at)) = self.inner.or(self.outer) else { return false };
        let from = if self.inner.is_some() { self.outer.map_or(0, |(_, at)| at + 1) } else { 0 };
        let before = line[from..at].to_lowercase();
        let has = |words: &[String]| words.iter().any(|word| crate::detect::near::has_word(&before, word));
        has(&WORDS.data) && !has(&WORDS.runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<VerbPosition> {
        Context::new(text).at(text.find("DROP").unwrap()).ok()
    }

    #[test]
    fn comments_and_data_are_no_place_for_a_statement() {
        for text in [
            "-- DROP",
            "# DROP",
            "x(); // DROP",
            "/* DROP */",
            "SELECT 'DROP'",
            "q(\"INSERT INTO a VALUES ('DROP'\")",
            "EXPLAIN DROP",
        ] {
            assert_eq!(place(text), None, "{text}");
        }
    }

    #[test]
    fn the_innermost_quote_ends_a_statement() {
        let cases = [
            ("DROP", None),
            ("q(\"DROP\")", Some(b'"')),
            ("sh -c \"psql -c 'DROP'\"", Some(b'\'')),
            ("don't DROP", None),
        ];
        for (text, quote) in cases {
            assert_eq!(place(text).map(|place| place.quote), Some(quote), "{text}");
        }
        assert!(
            place("SELECT 1; /* x */ DROP").is_some()
                && place("curl https://a/ DROP").is_some()
                && place("--sql DROP").is_some()
                && place("rm /tmp/*; DROP; ls /*/x").is_some()
                && place("glob('src/**/*.rs'); DROP; glob('**/*.ts')").is_some()
        );
    }

    #[test]
    fn an_explanation_that_runs_is_a_statement() {
        for text in ["explain ", "EXPLAIN (FORMAT JSON, COSTS off) ", "1; explain plan for "] {
            assert!(is_explained(text), "{text}");
        }
        for text in ["explain analyze ", "EXPLAIN (analyse, buffers) ", "explain select 1; ", "explain\nselect 1 "] {
            assert!(!is_explained(text), "{text}");
        }
    }
}
