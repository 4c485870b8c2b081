//! Where a verb stands: in a comment, in a string of a program, in a string of SQL, in a sentence. Nothing here reads a statement.

use crate::detect::near::{before, byte, is_wordy};
use std::ops::Range;

/// How much of a line before a verb is looked at, in bytes.
const BEFORE_BYTES: usize = 400;

/// Words of SQL after which a quoted text is data.
const DATA_WORDS: [&str; 9] =
    ["values", "like", "ilike", "insert into", "where", "select", "comment", "default", "set"];
/// Words after which a quoted text is run.
const RUN_WORDS: [&str; 8] = ["execute", "exec", "immediate", "prepare", "psql", "mysql", "mariadb", "sqlite3"];

/// Where a verb stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The quote that ends the statement at the latest.
    pub(super) quote: Option<u8>,
    /// True where a word stands right before it on the same line.
    pub(super) after_word: bool,
}

/// Goes through a text once, in step with its verbs.
#[derive(Debug)]
pub(super) struct Context<'t> {
    text: &'t str,
    /// The comment that begins at or after the last verb, or before it and has not ended.
    comment: Option<Range<usize>>,
}

impl<'t> Context<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, comment: next_comment(text, 0) }
    }

    /// Where the verb at `at` stands; `None` where it is no statement. Verbs must be asked about in order.
    pub(super) fn at(&mut self, at: usize) -> Option<Place> {
        while let Some(comment) = self.comment.clone().filter(|comment| comment.start < at) {
            if at < comment.end {
                return None;
            }
            self.comment = next_comment(self.text, comment.end);
        }
        let line = before(self.text, at, BEFORE_BYTES);
        let quotes = Quotes::of(command(line));
        if quotes.commented || quotes.data(command(line)) {
            return None;
        }
        let word = line.trim_end().rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        if word.eq_ignore_ascii_case("explain") {
            return None;
        }
        Some(Place { quote: quotes.innermost(), after_word: !word.is_empty() && line.ends_with([' ', '\t']) })
    }
}

/// The part of a line that belongs to the client of a database, where a shell starts one behind `--`: that is no comment.
fn command(line: &str) -> &str {
    let client = line.match_indices(" -- ").map(|(at, dashes)| &line[at + dashes.len()..]);
    client.filter(|client| RUN_WORDS.iter().any(|word| client.starts_with(word))).last().unwrap_or(line)
}

/// The next block comment that has an end and does not run (`/*! … */` does, in MySQL).
fn next_comment(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = at + text[at..].find("/*")?;
        if byte(text, Some(start + 2)) != b'!' {
            return Some(start..start + 2 + text[start + 2..].find("*/")? + 2);
        }
        at = start + 3;
    }
}

/// Whether a verb is a word of its own and neither a method nor a part of a name.
pub(super) fn is_whole_word(text: &str, verb: Range<usize>) -> bool {
    let left = byte(text, verb.start.checked_sub(1));
    // Written as text, a line's end before the verb is `\n`.
    let escaped = matches!(left, b'n' | b't' | b'r') && byte(text, verb.start.checked_sub(2)) == b'\\';
    let encoded = text[..verb.start].ends_with("%20") || text[..verb.start].ends_with("%0A");
    let left = escaped
        || encoded
        || !(is_wordy(left) || matches!(left, b'.' | b'-' | b'$' | b'@') && !starts_line(text, verb.start));
    left && !is_wordy(byte(text, Some(verb.end)))
}

/// Whether nothing but the sign of a diff stands before it.
fn starts_line(text: &str, at: usize) -> bool {
    at == 1 || byte(text, at.checked_sub(2)) == b'\n'
}

/// The quotes that are open at the end of a line's beginning.
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

    /// Whether the innermost quote holds data of another statement.
    fn data(&self, line: &str) -> bool {
        let Some((b'\'', at)) = self.inner.or(self.outer) else { return false };
        let from = if self.inner.is_some() { self.outer.map_or(0, |(_, at)| at + 1) } else { 0 };
        let before = line[from..at].to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| crate::detect::near::has_word(&before, word));
        has(&DATA_WORDS) && !has(&RUN_WORDS)
    }
}

fn is_apostrophe(bytes: &[u8], at: usize) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_alphabetic());
    bytes[at] == b'\''
        && letter(at.checked_sub(1))
        && letter(Some(at + 1))
        && !matches!(bytes[at - 1], b'f' | b'r' | b'b')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<Place> {
        Context::new(text).at(text.find("DROP").unwrap())
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
        );
    }
}
