//! A cursor over the tokens of one statement. It does not know what a word means.

use super::lex::{Kind, Token};
use mcp_contracts::guardrails::Severity;
use std::collections::BTreeMap;

/// Kind and severity of a destructive statement; `None` for a harmless one.
pub(super) type Found = Option<(&'static str, Severity)>;

pub(super) const ACCESS: Found = Some(("change_access", Severity::High));
pub(super) const OVERWRITE: Found = Some(("overwrite", Severity::Critical));

/// The tokens after the verb of a statement, and facts about its text.
pub(super) struct Reader<'a, 't> {
    pub(super) tokens: &'a [Token<'t>],
    pub(super) at: usize,
    pub(super) end: usize,
    /// True if the whole text is SQL. Then the objects of all dialects count.
    pub(super) sql: bool,
    /// True if the verb begins a line, a statement or a string.
    pub(super) begins: bool,
    pub(super) upper_case: bool,
}

impl<'a, 't> Reader<'a, 't> {
    pub(super) fn peek(&self) -> &'a Token<'t> {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub(super) fn next(&mut self) -> &'a Token<'t> {
        let token = self.peek();
        if !token.ends() {
            self.at += 1;
            self.end = token.end;
        }
        token
    }

    pub(super) fn take(&mut self, word: &str) -> bool {
        let taken = self.peek().is(word);
        if taken {
            self.next();
        }
        taken
    }

    pub(super) fn take_symbol(&mut self, sign: u8) -> bool {
        let taken = self.peek().kind == Kind::Sign(sign);
        if taken {
            self.next();
        }
        taken
    }

    pub(super) fn if_exists(&mut self) {
        if self.take("if") {
            self.take("not");
            self.take("exists");
        }
    }

    pub(super) fn rest_of_parentheses(&mut self) {
        let mut depth = 0_usize;
        while !self.peek().ends() {
            match self.next().kind {
                Kind::Sign(b'(') => depth += 1,
                Kind::Sign(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads a name with its qualifiers; returns its last part.
    pub(super) fn name(&mut self) -> Option<&'a Token<'t>> {
        loop {
            let part = self.peek();
            if !matches!(part.kind, Kind::Word | Kind::Name | Kind::Hole) {
                return None;
            }
            self.next();
            // A hole may be joined to a word: `{prefix}_users`.
            while matches!(self.peek().kind, Kind::Word | Kind::Hole)
                && self.peek().end - self.peek().text.len() == self.end
            {
                self.next();
            }
            if !self.take_symbol(b'.') {
                return Some(part);
            }
            // `database..table` of SQL Server.
            self.take_symbol(b'.');
            if self.take_symbol(b'*') {
                return Some(part);
            }
        }
    }

    pub(super) fn names(&mut self) -> Option<&'a Token<'t>> {
        let first = self.name()?;
        while self.take_symbol(b',') {
            self.name()?;
        }
        Some(first)
    }

    /// Returns true if the statement ends before the next token.
    pub(super) fn over(&self) -> bool {
        let token = self.peek();
        token.ends()
            || token.new_line && (token.kind == Kind::Word || token.kind == Kind::Sign(b'-'))
            || matches!(token.kind, Kind::Sign(b')' | b'<' | b'|' | b'}' | b'/'))
            || self.sql && token.is_any(&["commit", "go", "end", "rollback"])
    }

    /// Takes and returns the remaining tokens of the statement.
    pub(super) fn rest(&mut self) -> &'a [Token<'t>] {
        let start = self.at;
        while !self.peek().ends() {
            self.next();
        }
        &self.tokens[start..self.at]
    }

    /// Skips any of the words; returns the token after them.
    pub(super) fn skip(&mut self, words: &[&str]) -> &'a Token<'t> {
        while self.peek().is_any(words) {
            self.next();
        }
        self.peek()
    }

    /// Takes the rest of the statement; returns true if it contains one of the words.
    pub(super) fn finds(&mut self, words: &[&str]) -> bool {
        self.rest().iter().any(|token| token.is_any(words))
    }

    /// Takes the longest group of words that matches the next tokens; returns its kind.
    pub(super) fn take_one_of(&mut self, groups: &'static BTreeMap<String, Vec<String>>) -> Option<&'static str> {
        let follows = |words: &&'static String| {
            words
                .split(' ')
                .enumerate()
                .all(|(at, word)| self.tokens.get(self.at + at).is_some_and(|token| token.is(word)))
        };
        let all = groups.iter().flat_map(|(kind, words)| words.iter().map(move |words| (kind.as_str(), words)));
        let (kind, words) = all.filter(|(_, words)| follows(words)).max_by_key(|(_, words)| words.len())?;
        words.split(' ').for_each(|_| _ = self.next());
        Some(kind)
    }

    /// Returns true if the context shows a statement, so that even common words count as SQL.
    pub(super) fn stands_alone(&self) -> bool {
        let ends = self.tokens.last().is_some_and(|last| matches!(last.kind, Kind::Semicolon | Kind::End));
        self.sql || self.upper_case || self.begins && ends
    }
}
