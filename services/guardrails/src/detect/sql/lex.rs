//! Splits a possible SQL statement into tokens, up to its end: a semicolon, the closing quote of the program's string around it, or a maximum
//! number of tokens. It does not know what a token means.

use super::dialect::Dialect;
use crate::detect::near::{byte, is_wordy, window};

/// Maximum number of tokens of one statement.
pub(super) const MAX_TOKENS: usize = 400;
/// Longest comment and longest quoted text that are read, in bytes.
const MAX_SPAN: usize = 2_000;
/// Longest gap between two string literals that a program joins to one text, in bytes.
const MAX_GAP: usize = 120;

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word,
    /// A name in quotes.
    Name,
    /// A text in quotes.
    Text,
    /// A number.
    Number,
    /// A placeholder that a program or a database driver replaces.
    Hole,
    /// One punctuation character.
    Sign(u8),
    /// The statement ended with a semicolon.
    Semicolon,
    /// The text or the string around the statement ended.
    End,
    /// The statement continues, but the rest cannot be read.
    Unknown,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) end: usize,
    /// True if a line break precedes the token.
    pub(super) new_line: bool,
}

impl Token<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Returns true if the token may be a name, or the beginning of one.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Name | Kind::Hole | Kind::Sign(b'('))
    }

    pub(super) fn ends(&self) -> bool {
        matches!(self.kind, Kind::Semicolon | Kind::End | Kind::Unknown)
    }
}

/// Returns at most `most` tokens from `at`, read as `dialect`, and a final token that ends the list.
pub(super) fn tokens(text: &str, at: usize, quote: Option<u8>, dialect: Dialect, most: usize) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, at, quote, dialect };
    let mut tokens = Vec::new();
    while tokens.len() < most {
        let token = lexer.next();
        tokens.push(token);
        if token.ends() {
            return tokens;
        }
    }
    tokens.push(Token { kind: Kind::Unknown, text: "", end: lexer.at, new_line: false });
    tokens
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    quote: Option<u8>,
    dialect: Dialect,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Token<'t> {
        let gap = self.at;
        self.space();
        let new_line = self.text[gap..self.at].contains('\n') || self.text[gap..self.at].contains("\\n");
        let start = self.at;
        let Some(first) = self.text.as_bytes().get(start).copied() else {
            return self.token(Kind::End, start, 0, new_line);
        };
        if Some(first) == self.quote {
            // Inside single quotes, a doubled quote belongs to the statement.
            if first == b'\'' && self.peek(1) == first && self.peek(2) != first {
                return self.doubled(new_line);
            }
            return self.closing(new_line);
        }
        let (kind, length) = match first {
            b';' => (Kind::Semicolon, 1),
            b'\'' | b'"' | b'`' => return self.quoted(first, 1, new_line),
            b'\\' if matches!(self.peek(1), b'"' | b'\'' | b'`') => return self.quoted(self.peek(1), 2, new_line),
            b'[' => match self.text[start..].find(']').filter(|end| *end < 80) {
                Some(end) => (Kind::Name, end + 1),
                None => (Kind::Sign(b'['), 1),
            },
            b'{' => (Kind::Hole, self.hole()),
            b'$' | b'#' if self.peek(1) == b'{' => (Kind::Hole, self.hole()),
            b'%' if self.peek(1) == b's' || self.peek(1) == b'd' || self.peek(1) == b'(' => {
                (Kind::Hole, self.hole().max(2))
            }
            b'$' | b':' | b'@' if is_wordy(self.peek(1)) => (Kind::Hole, 1 + self.word(1)),
            b'?' => (Kind::Hole, 1),
            b'#' if is_wordy(self.peek(1)) => (Kind::Name, 1 + self.word(1)),
            digit if digit.is_ascii_digit() => (Kind::Number, self.word(0)),
            letter if is_wordy(letter) => (Kind::Word, self.word(0)),
            sign => (Kind::Sign(sign), 1),
        };
        self.token(kind, start, length, new_line)
    }

    fn token(&mut self, kind: Kind, start: usize, length: usize, new_line: bool) -> Token<'t> {
        self.at = (start + length).min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        Token { kind, text: &self.text[start..self.at], end: self.at, new_line }
    }

    fn peek(&self, ahead: usize) -> u8 {
        byte(self.text, Some(self.at + ahead))
    }

    fn word(&self, skip: usize) -> usize {
        self.text.as_bytes()[self.at + skip..].iter().take_while(|byte| is_wordy(**byte)).count()
    }

    /// Returns the length of the placeholder at the cursor, up to its closing bracket, within 120 bytes.
    fn hole(&self) -> usize {
        let ahead = window(self.text, self.at, 120);
        ahead.find(['}', ')', '\n']).map_or(2, |end| end + 1)
    }

    /// Skips white space, comments, and escaped white space such as `\n` or `%20`.
    fn space(&mut self) {
        let bytes = self.text.as_bytes();
        loop {
            let rest = &bytes[self.at..];
            self.at += match rest {
                [blank, ..] if blank.is_ascii_whitespace() => 1,
                [b'\\', b'n' | b't' | b'r' | b'\n', ..] => 2,
                [b'%', b'2', b'0', ..] | [b'%', b'0', b'A' | b'a', ..] => 3,
                [b'-', b'-', ..] | [b'/', b'/', ..] => self.until("\n", 2),
                [b'#', next, ..] if next.is_ascii_whitespace() => self.until("\n", 1),
                [b'#', ..] if self.dialect.hashes() => self.until("\n", 1),
                [b'/', b'*', b'!', ..] => 3 + rest[3..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
                [b'/', b'*', ..] => self.until("*/", 2),
                [b'*', b'/', ..] => 2,
                _ => return,
            };
        }
    }

    /// Returns the length of a comment. A line comment ends at the latest at the quote around the statement.
    fn until(&self, end: &str, skip: usize) -> usize {
        let rest = window(self.text, self.at + skip, MAX_SPAN);
        let closing = rest.find(end).map_or(rest.len(), |at| at + end.len());
        let quote = self
            .quote
            .filter(|_| end == "\n")
            .and_then(|quote| rest.as_bytes()[..closing].iter().position(|byte| *byte == quote));
        skip + quote.unwrap_or(closing)
    }

    fn quoted(&mut self, quote: u8, length: usize, new_line: bool) -> Token<'t> {
        let start = self.at;
        let rest = window(self.text, start + length, MAX_SPAN).as_bytes();
        let (outer, lines) = (self.quote, self.dialect.is_mixed());
        let mut escaped = false;
        let end = rest.iter().position(|byte| {
            let ends = !escaped && (*byte == quote || *byte == b'\n' && lines || Some(*byte) == outer);
            escaped = self.dialect.escapes() && !escaped && *byte == b'\\';
            ends
        });
        match end {
            Some(end) if rest[end] == quote => {
                let kind = if quote == b'\'' { Kind::Text } else { Kind::Name };
                self.token(kind, start, length + end + 1, new_line)
            }
            // This quote closes a string that began before the statement.
            Some(_) | None => self.token(Kind::End, start, 0, new_line),
        }
    }

    /// Reads an SQL string in doubled quotes, as written inside a program's string. Without doubled quotes at its end, the program's string ends.
    fn doubled(&mut self, new_line: bool) -> Token<'t> {
        let start = self.at;
        let rest = window(self.text, start + 2, MAX_SPAN);
        match rest.find(['\n', '\'']) {
            Some(end) if rest[end..].starts_with("''") => self.token(Kind::Text, start, end + 4, new_line),
            Some(_) | None => self.closing(new_line),
        }
    }

    /// Reads the end of the program's string. The statement may continue in the next string.
    fn closing(&mut self, new_line: bool) -> Token<'t> {
        let start = self.at;
        let quote = self.quote;
        let rest = &self.text.as_bytes()[start..];
        let marks = rest.iter().take(3).take_while(|byte| Some(**byte) == quote).count();
        let gap = rest[marks..]
            .iter()
            .take(MAX_GAP)
            .take_while(|byte| byte.is_ascii_whitespace() || matches!(byte, b'+' | b'\\' | b'.' | b'|' | b'&' | b'%'))
            .count();
        let between = &rest[marks..marks + gap];
        let next = rest.get(marks + gap).copied();
        let joined = between.iter().any(|byte| matches!(byte, b'+' | b'.' | b'|' | b'&' | b'%'));
        if marks != 2 && next == quote && (joined || between.contains(&b'\n')) {
            self.at = start + marks + gap + 1;
            let mut token = self.next();
            token.new_line |= new_line;
            return token;
        }
        let kind = if joined { Kind::Unknown } else { Kind::End };
        self.token(kind, start, 0, new_line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, quote: Option<u8>) -> Vec<Token<'_>> {
        tokens(text, 0, quote, Dialect::MIXED, MAX_TOKENS)
    }

    fn words(text: &str, quote: Option<u8>) -> Vec<&str> {
        all(text, quote).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_written_line_ends_are_blanks() {
        assert_eq!(words("DROP/**/TABLE\\n a -- b\n;", None), ["DROP", "TABLE", "a", ";"]);
        assert_eq!(words("DROP%20TABLE%20a", None), ["DROP", "TABLE", "a", ""]);
    }

    #[test]
    fn a_statement_goes_on_in_the_next_string() {
        let text = "DELETE FROM a \"\n  \"WHERE b = 1\")";
        assert_eq!(words(text, Some(b'"')), ["DELETE", "FROM", "a", "WHERE", "b", "=", "1", ""]);
        assert_eq!(all("DELETE FROM a \" + b", Some(b'"')).last().unwrap().kind, Kind::Unknown);
    }

    #[test]
    fn a_doubled_quote_is_a_quote_of_the_statement() {
        let text = "UPDATE a SET b = ''c'' WHERE d = 1'";
        assert_eq!(words(text, Some(b'\''))[5..], ["''c''", "WHERE", "d", "=", "1", ""]);
        assert_eq!(words("DELETE FROM a''", Some(b'\'')), ["DELETE", "FROM", "a", ""]);
    }

    #[test]
    fn a_statement_without_an_end_is_read_for_a_while() {
        assert_eq!(all(&"a ".repeat(9_000), None).len(), MAX_TOKENS + 1);
    }
}
