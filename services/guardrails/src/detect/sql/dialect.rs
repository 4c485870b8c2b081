//! Strings, quoted names and comments in the dialects of SQL. The dialects contradict each other: `'\'` is a complete string in one and an open
//! string in another. So a text is read once per dialect, and a statement that one dialect would run is reported. An opening mark without a
//! closing one hides nothing. The library `sqlparser` was considered and is not used: its tokenizers end with an error at a string or comment that is
//! not closed, and give lines and columns in place of byte offsets.

use crate::detect::near::{byte, is_wordy};
use std::ops::Range;

/// Maximum number of dollar quotes without an end that are searched for; a text may have a different tag at every place.
const MAX_DOLLARS: usize = 64;

/// The marks that a dialect knows, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Dialect(u16);

/// A backslash escapes the sign after it in a string.
const BACKSLASH: u16 = 1;
/// `E'…'` has such escapes.
const E_STRING: u16 = 1 << 1;
/// `[name]`.
const BRACKET: u16 = 1 << 2;
/// `` `name` ``.
const BACKTICK: u16 = 1 << 3;
/// Comments can be nested.
const NESTED: u16 = 1 << 4;
/// `# comment`.
const HASH: u16 = 1 << 5;
/// `// comment`.
const SLASHES: u16 = 1 << 6;
/// `--` is a comment only before a blank.
const DASH_BLANK: u16 = 1 << 7;
/// `$tag$…$tag$`.
const DOLLAR: u16 = 1 << 8;
/// `/*! … */` runs.
const HINT: u16 = 1 << 9;
/// `q'[…]'`.
const Q_STRING: u16 = 1 << 10;
/// `'''…'''`.
const TRIPLE: u16 = 1 << 11;
/// A program, a log or a sentence: a string ends on its line, and an apostrophe inside a word begins no string.
const LINES: u16 = 1 << 12;

/// PostgreSQL with both settings of `standard_conforming_strings`, MySQL with both of `NO_BACKSLASH_ESCAPES`, SQL Server, SQLite, Oracle,
/// BigQuery, Snowflake and ClickHouse, by their manuals in November 2026. DuckDB, Redshift, Trino, Spark and others read as one of these.
const DIALECTS: [u16; 10] = [
    E_STRING | NESTED | DOLLAR,
    BACKSLASH | NESTED | DOLLAR,
    BACKSLASH | BACKTICK | HASH | DASH_BLANK | HINT,
    BACKTICK | HASH | DASH_BLANK | HINT,
    BRACKET | NESTED,
    BRACKET | BACKTICK,
    Q_STRING,
    BACKSLASH | BACKTICK | HASH | TRIPLE,
    BACKSLASH | SLASHES | DOLLAR,
    BACKSLASH | BACKTICK | HASH | NESTED | DOLLAR,
];

impl Dialect {
    /// Text that is not only SQL.
    pub(super) const MIXED: Self = Self(LINES | BACKSLASH | BACKTICK | HASH | SLASHES | DASH_BLANK | HINT);

    /// The dialects that read `text` differently.
    pub(super) fn of(text: &str) -> Vec<Self> {
        let marks = [
            ("\\", BACKSLASH | E_STRING),
            ("[", BRACKET),
            ("`", BACKTICK),
            ("/*", NESTED | HINT),
            ("#", HASH),
            ("//", SLASHES),
            ("--", DASH_BLANK),
            ("$", DOLLAR),
            ("q'", Q_STRING),
            ("Q'", Q_STRING),
            ("'''", TRIPLE),
            ("\"\"\"", TRIPLE),
        ];
        let used = marks.iter().filter(|(mark, _)| text.contains(mark)).fold(0, |used, (_, bits)| used | bits);
        let mut distinct: Vec<Self> = Vec::new();
        for dialect in DIALECTS.map(|dialect| Self(dialect & used)) {
            if !distinct.contains(&dialect) {
                distinct.push(dialect);
            }
        }
        distinct
    }

    fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    pub(super) fn escapes(self) -> bool {
        self.has(BACKSLASH) && !self.has(LINES)
    }

    pub(super) fn hashes(self) -> bool {
        self.has(HASH) && !self.has(LINES)
    }

    pub(super) fn is_mixed(self) -> bool {
        self.has(LINES)
    }
}

/// A string, a quoted name or a comment, with its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) comment: bool,
    pub(super) range: Range<usize>,
}

/// Returns the strings, quoted names and comments of a text, in order.
pub(super) fn spans(text: &str, dialect: Dialect) -> Vec<Span> {
    let mut reader = SpanReader { text, bytes: text.as_bytes(), dialect, open: [false; 256], dollars: 0 };
    let (mut spans, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match reader.span(at) {
            Some((comment, end)) => {
                spans.push(Span { comment, range: at..end });
                at = end;
            }
            None => at += 1,
        }
    }
    spans
}

struct SpanReader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    dialect: Dialect,
    /// By first byte of a mark: true if no closing mark follows in the rest of the text, so that the search is not repeated.
    open: [bool; 256],
    dollars: usize,
}

impl SpanReader<'_> {
    fn span(&mut self, at: usize) -> Option<(bool, usize)> {
        let (mark, dialect) = (self.bytes[at], self.dialect);
        if self.open[usize::from(mark)] {
            return None;
        }
        let rest = &self.bytes[at..];
        let comment = match mark {
            b'-' => {
                rest.starts_with(b"--")
                    && (!dialect.has(DASH_BLANK) || rest.get(2).is_none_or(|next| next.is_ascii_whitespace()))
            }
            b'#' => dialect.has(HASH) && (!dialect.has(LINES) || self.text[..at].trim_end_matches(' ').ends_with('\n')),
            b'/' => {
                dialect.has(SLASHES)
                    && rest.starts_with(b"//")
                    && !(dialect.has(LINES) && at > 0 && self.bytes[at - 1] == b':')
            }
            _ => false,
        };
        if comment {
            return Some((true, self.find(at, b"\n").map_or(self.bytes.len(), |end| end - 1)));
        }
        let end = match mark {
            b'/' if rest.starts_with(b"/*") => return self.block(at).map(|end| (true, end)),
            b'\'' | b'"' => self.quoted(at),
            b'`' if dialect.has(BACKTICK) => self.closed(at, 1, b'`', dialect.has(LINES)),
            b'[' if dialect.has(BRACKET) => self.find(at, b"]"),
            b'$' if dialect.has(DOLLAR) => return self.dollar(at).map(|end| (false, end)),
            _ => return None,
        };
        // In mixed text a string ends with its line, so an open string says nothing about later lines.
        self.open[usize::from(mark)] = end.is_none() && !dialect.has(LINES);
        end.map(|end| (false, end))
    }

    fn block(&mut self, at: usize) -> Option<usize> {
        let rest = &self.bytes[at + 2..];
        if self.open[usize::from(b'*')] {
            return None;
        }
        if self.dialect.has(HINT) && (rest.starts_with(b"!") || rest.starts_with(b"M!")) {
            return None;
        }
        // A path such as `/tmp/*` begins no comment in a shell.
        if self.dialect.has(LINES) && at > 0 && (is_wordy(self.bytes[at - 1]) || b".*/".contains(&self.bytes[at - 1])) {
            return None;
        }
        if !self.dialect.has(NESTED) {
            let end = self.find(at + 2, b"*/");
            self.open[usize::from(b'*')] = end.is_none();
            return end;
        }
        let (mut depth, mut here) = (1_usize, at + 2);
        while here < self.bytes.len() {
            let next = &self.bytes[here..];
            if next.starts_with(b"*/") {
                depth -= 1;
                here += 2;
                if depth == 0 {
                    return Some(here);
                }
            } else if next.starts_with(b"/*") {
                depth += 1;
                here += 2;
            } else {
                here += 1;
            }
        }
        self.open[usize::from(b'*')] = true;
        None
    }

    fn quoted(&self, at: usize) -> Option<usize> {
        let (quote, dialect) = (self.bytes[at], self.dialect);
        if dialect.has(LINES) && is_apostrophe(self.bytes, at) {
            return None;
        }
        let prefix = byte(self.text, at.checked_sub(1));
        let prefixed = !is_wordy(byte(self.text, at.checked_sub(2))) || prefix == b'n';
        if dialect.has(Q_STRING) && quote == b'\'' && matches!(prefix, b'q' | b'Q') && prefixed {
            let close = match byte(self.text, Some(at + 1)) {
                b'[' => b']',
                b'(' => b')',
                b'{' => b'}',
                b'<' => b'>',
                other => other,
            };
            return self.find(at + 2, &[close, b'\'']);
        }
        let triple = [quote; 3];
        if dialect.has(TRIPLE) && self.bytes[at..].starts_with(&triple) {
            return self.find(at + 3, &triple);
        }
        let escapes = dialect.has(BACKSLASH) || dialect.has(E_STRING) && matches!(prefix, b'e' | b'E') && prefixed;
        self.closed(at, 1, quote, escapes)
    }

    fn closed(&self, at: usize, skip: usize, quote: u8, escapes: bool) -> Option<usize> {
        let mut here = at + skip;
        while let Some(sign) = self.bytes.get(here) {
            match *sign {
                b'\n' if self.dialect.has(LINES) => return None,
                b'\\' if escapes => here += 1,
                sign if sign == quote => return Some(here + 1),
                _ => {}
            }
            here += 1;
        }
        None
    }

    fn dollar(&mut self, at: usize) -> Option<usize> {
        if self.dollars >= MAX_DOLLARS || is_wordy(byte(self.text, at.checked_sub(1))) {
            return None;
        }
        let tag = self.bytes[at + 1..].iter().take(64).take_while(|sign| is_wordy(**sign)).count();
        let tag = at..at + tag + 2;
        if self.bytes.get(tag.end - 1) != Some(&b'$') {
            return None;
        }
        let end = self.find(tag.end, &self.bytes[tag]);
        self.dollars += usize::from(end.is_none());
        end
    }

    /// Returns the end of the first `what` at or after `from`.
    fn find(&self, from: usize, what: &[u8]) -> Option<usize> {
        let rest = self.text.get(from..)?;
        let what = std::str::from_utf8(what).ok()?;
        rest.find(what).map(|at| from + at + what.len())
    }
}

/// Returns true if the quote at `at` is an apostrophe inside a word, as in `don't`.
pub(super) fn is_apostrophe(bytes: &[u8], at: usize) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_alphabetic());
    bytes[at] == b'\''
        && letter(at.checked_sub(1))
        && letter(Some(at + 1))
        && !matches!(bytes[at - 1], b'f' | b'r' | b'b')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a text without the strings and comments of a dialect.
    fn outside_spans(text: &str, bits: u16) -> String {
        let (mut left, mut at) = (String::new(), 0);
        for span in spans(text, Dialect(bits)) {
            left.push_str(&text[at..span.range.start]);
            at = span.range.end;
        }
        left + &text[at..]
    }

    #[test]
    fn each_dialect_has_its_own_marks() {
        let cases = [
            (BACKSLASH, r"a'b\'c'd", "ad"),
            (0, r"a'b\'c'd", "ac'd"),
            (E_STRING, r"a,E'b\'c' 'd\'e", "a,E e"),
            (BRACKET, "a[b']c", "ac"),
            (BACKTICK, "a`b'`c", "ac"),
            (NESTED, "a/*b/*c*/d*/e", "ae"),
            (0, "a/*b/*c*/d", "ad"),
            (HASH, "a#b\nc", "a\nc"),
            (SLASHES, "a//b\nc", "a\nc"),
            (0, "a--b\nc", "a\nc"),
            (DASH_BLANK, "a--b -- c\nd", "a--b \nd"),
            (DOLLAR, "a $x$b$$c$x$ d", "a  d"),
            (HINT, "a/*!b*/c/*d*/", "a/*!b*/c"),
            (Q_STRING, "a q'!b'c!'d", "a qd"),
            (Q_STRING, "a,q'[b'c]'d", "a,qd"),
            (TRIPLE, "a'''b'c'''d", "ad"),
        ];
        for (bits, text, expected) in cases {
            assert_eq!(outside_spans(text, bits), expected, "{text}");
        }
    }

    #[test]
    fn a_mark_without_an_end_hides_nothing() {
        for text in ["a'b", "a/*b", "a[b", "a$x$b", "a\"b", "a`b"] {
            for dialect in Dialect::of(text) {
                assert_eq!(outside_spans(text, dialect.0), text);
            }
        }
        assert_eq!(outside_spans("it's\n'b' 'a", Dialect::MIXED.0), "it's\n 'a");
    }

    #[test]
    fn a_text_without_marks_is_read_once() {
        assert_eq!(Dialect::of("SELECT 1; DROP TABLE a"), [Dialect(0)]);
        assert_eq!(Dialect::of("q'''\\ [ ` /* # // -- $").len(), DIALECTS.len());
    }

    #[test]
    fn many_marks_without_an_end_take_no_longer_than_one() {
        // A search to the end from each of these would take minutes.
        for unit in [r"\'", "$a$ ", "/*", "['"] {
            let text: String = (0..60_000).map(|at| unit.replace('a', &format!("a{at}"))).collect();
            for dialect in Dialect::of(&text) {
                assert!(spans(&text, dialect).len() <= text.len());
            }
        }
    }
}
