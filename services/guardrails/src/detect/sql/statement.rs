//! The statements that destroy: their grammar, as far as it takes to tell them from prose and from statements that name what goes.

use super::condition::always_holds;
use super::context::Place;
use super::lex::{Kind, Token, first_tokens, tokens};
use mcp_contracts::guardrails::Severity;
use std::ops::Range;

/// Most rows of a `LIMIT` that still confines a statement.
const MAX_LIMIT: u64 = 10_000;

/// A statement that destroys.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kind: &'static str,
    pub(super) severity: Severity,
    pub(super) end: usize,
}

/// Whether the words after the verb may be those of a statement; a cheap look before the whole is read.
pub(super) fn may_begin(text: &str, verb: Range<usize>) -> bool {
    let ahead = first_tokens(text, verb.end, None, 1);
    let next = ahead[0];
    match text[verb].to_ascii_lowercase().as_str() {
        "drop" => next.is_any(&["table", "database", "keyspace", "schema", "tablespace", "owned"]),
        "delete" => next.is("from"),
        "alter" => next.is("table"),
        "grant" => next.is("all"),
        _ => matches!(next.kind, Kind::Word | Kind::Name | Kind::Hole),
    }
}

/// Reads the statement that begins with the verb.
pub(super) fn read(text: &str, verb: Range<usize>, place: &Place) -> Option<Statement> {
    let word = &text[verb.clone()];
    let tokens = tokens(text, verb.end, place.quote);
    let mut reader = Reader { tokens: &tokens, at: 0, end: verb.end };
    let found = match word.to_ascii_lowercase().as_str() {
        "drop" => drop_object(&mut reader),
        "truncate" => truncate(&mut reader, word),
        "delete" => delete(&mut reader),
        "update" => update(&mut reader),
        "alter" => alter(&mut reader),
        _ => grant(&mut reader),
    };
    let (kind, severity) = found?;
    (reader.is_statement(word, place)).then_some(Statement { kind, severity, end: reader.end })
}

struct Reader<'a, 't> {
    tokens: &'a [Token<'t>],
    at: usize,
    end: usize,
}

impl<'a, 't> Reader<'a, 't> {
    fn peek(&self) -> &'a Token<'t> {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> &'a Token<'t> {
        let token = self.peek();
        if !token.ends() {
            self.at += 1;
            self.end = token.end;
        }
        token
    }

    fn take(&mut self, word: &str) -> bool {
        let taken = self.peek().is(word);
        if taken {
            self.next();
        }
        taken
    }

    fn take_sign(&mut self, sign: u8) -> bool {
        let taken = self.peek().kind == Kind::Sign(sign);
        if taken {
            self.next();
        }
        taken
    }

    fn if_exists(&mut self) {
        if self.take("if") {
            self.take("not");
            self.take("exists");
        }
    }

    /// A name with its qualifiers; its last part.
    fn name(&mut self) -> Option<&'a Token<'t>> {
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
            if !self.take_sign(b'.') {
                return Some(part);
            }
            if self.take_sign(b'*') {
                return Some(part);
            }
        }
    }

    fn names(&mut self) -> Option<&'a Token<'t>> {
        let first = self.name()?;
        while self.take_sign(b',') {
            self.name()?;
        }
        Some(first)
    }

    /// Whether the statement is over here.
    fn over(&self) -> bool {
        let token = self.peek();
        token.ends()
            || token.new_line && (token.kind == Kind::Word || token.kind == Kind::Sign(b'-'))
            || matches!(token.kind, Kind::Sign(b')' | b'<' | b'|' | b'}' | b'/'))
    }

    /// What is left of the statement, to its end.
    fn rest(&mut self) -> &'a [Token<'t>] {
        let start = self.at;
        while !self.peek().ends() {
            self.next();
        }
        &self.tokens[start..self.at]
    }

    /// Whether it is a statement and no sentence that sounds like one.
    fn is_statement(&self, verb: &str, place: &Place) -> bool {
        let shouted = verb.bytes().all(|letter| letter.is_ascii_uppercase());
        let semicolon = self.tokens.last().is_some_and(|last| last.kind == Kind::Semicolon);
        let titled = verb.starts_with(|first: char| first.is_ascii_uppercase())
            && verb[1..].bytes().all(|letter| letter.is_ascii_lowercase());
        semicolon || shouted || !(place.after_word || titled)
    }
}

type Found = Option<(&'static str, Severity)>;

fn drop_object(reader: &mut Reader<'_, '_>) -> Found {
    if reader.peek().is_any(&["temporary", "temp"]) {
        return None;
    }
    let object = reader.next();
    let found = if object.is("table") {
        ("drop_table", Severity::Critical)
    } else if object.is_any(&["database", "keyspace"]) {
        ("drop_database", Severity::Critical)
    } else if object.is_any(&["schema", "tablespace"]) {
        ("drop_schema", Severity::Critical)
    } else if object.is("owned") && reader.take("by") {
        ("drop_owned", Severity::Critical)
    } else {
        return None;
    };
    reader.if_exists();
    // Which table it is may be put in by the program.
    if reader.peek().kind == Kind::Unknown {
        return Some(found);
    }
    let name = reader.names()?;
    if name.text.starts_with('#') || name.text.starts_with("[#") {
        return None;
    }
    while reader.peek().is_any(&["cascade", "restrict", "constraints", "purge", "force"]) {
        reader.next();
    }
    reader.over().then_some(found)
}

fn truncate(reader: &mut Reader<'_, '_>, verb: &str) -> Found {
    let table = reader.take("table");
    reader.if_exists();
    reader.take("only");
    let found = Some(("truncate", Severity::Critical));
    if table && reader.peek().kind == Kind::Unknown {
        return found;
    }
    // Without its keyword it is also a word of programs: `Truncate { bytes: 1 }`.
    if !table && reader.peek().kind == Kind::Hole {
        return None;
    }
    reader.names()?;
    while reader.peek().is_any(&["restart", "continue", "identity", "cascade", "restrict", "drop", "reuse", "storage"])
    {
        reader.next();
    }
    let shouted = verb.bytes().all(|letter| letter.is_ascii_uppercase());
    (reader.over() && (table || shouted || reader.peek().kind == Kind::Semicolon)).then_some(found?)
}

fn delete(reader: &mut Reader<'_, '_>) -> Found {
    if !reader.take("from") {
        return None;
    }
    reader.take("only");
    reader.name()?;
    reader.take("as");
    if reader.peek().kind == Kind::Word
        && !reader.peek().is_any(&["where", "using", "limit", "order", "returning", "join"])
        && !reader.peek().new_line
    {
        reader.next();
    }
    if !reader.over() && !reader.peek().is_any(&["where", "using", "limit", "order", "returning"]) {
        return None;
    }
    unconfined(reader).then_some(("delete_all", Severity::Critical))
}

fn update(reader: &mut Reader<'_, '_>) -> Found {
    reader.take("only");
    let name = reader.name()?;
    if name.is("set") {
        return None;
    }
    if !reader.peek().is("set") {
        reader.take("as");
        reader.name()?;
    }
    if !reader.take("set") {
        return None;
    }
    let parenthesis = reader.take_sign(b'(');
    reader.name()?;
    if !parenthesis && !reader.take_sign(b'=') {
        return None;
    }
    unconfined(reader).then_some(("update_all", Severity::High))
}

/// Whether nothing confines a `DELETE` or an `UPDATE`, from here to its end.
fn unconfined(reader: &mut Reader<'_, '_>) -> bool {
    let end = reader.end;
    let rest = reader.rest();
    let ends = reader.peek().kind;
    let mut depth = 0_usize;
    let mut outer = rest.iter().enumerate().filter(move |(_, token)| {
        match token.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    let stop = ["limit", "order", "returning", "fetch"];
    let clause = outer.find(|(_, token)| token.is_any(&["where", "limit", "join", "inner"]) || next_statement(token));
    let (at, token) = match clause {
        None if ends == Kind::Unknown
            || rest.last().is_some_and(|last| {
                last.kind == Kind::Hole && !rest.iter().any(|token| token.kind == Kind::Sign(b'='))
            }) =>
        {
            return false;
        }
        None => return true,
        Some((at, token)) => (at, token),
    };
    if next_statement(token) {
        reader.end = at.checked_sub(1).map_or(end, |last| rest[last].end);
        return true;
    }
    if token.is("limit") {
        return rest.get(at + 1).is_none_or(|rows| rows.text.parse::<u64>().is_ok_and(|rows| rows > MAX_LIMIT));
    }
    if !token.is("where") {
        return false;
    }
    let condition = &rest[at + 1..];
    let length =
        condition.iter().position(|token| token.is_any(&stop) || next_statement(token)).unwrap_or(condition.len());
    let condition = balanced(&condition[..length]);
    ends != Kind::Unknown && always_holds(condition)
}

/// A condition without what closes a parenthesis that began before it.
fn balanced<'a, 't>(tokens: &'a [Token<'t>]) -> &'a [Token<'t>] {
    let mut depth = 0_usize;
    let end = tokens.iter().position(|token| {
        let closes = token.kind == Kind::Sign(b')') && depth == 0;
        match token.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        closes
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

/// Whether a word begins another statement on a line of its own.
fn next_statement(token: &Token<'_>) -> bool {
    token.new_line
        && token.is_any(&[
            "drop", "truncate", "delete", "update", "alter", "grant", "insert", "select", "create", "commit", "go",
            "end",
        ])
}

fn alter(reader: &mut Reader<'_, '_>) -> Found {
    if !reader.take("table") {
        return None;
    }
    reader.if_exists();
    reader.take("only");
    reader.name()?;
    let mut last = reader.next();
    while !last.ends() {
        if last.is("drop") {
            let what = reader.peek();
            if what.is("column") {
                reader.next();
                reader.if_exists();
                reader.name();
                return Some(("drop_column", Severity::High));
            }
            if what.is("partition") {
                reader.next();
                reader.name();
                return Some(("drop_partition", Severity::High));
            }
            let kept = [
                "constraint",
                "index",
                "default",
                "not",
                "key",
                "primary",
                "foreign",
                "check",
                "identity",
                "expression",
                "if",
            ];
            let plain = matches!(what.kind, Kind::Word | Kind::Name) && !what.is_any(&kept);
            if plain {
                reader.next();
                if reader.over() || reader.peek().kind == Kind::Sign(b',') || reader.peek().is("cascade") {
                    return Some(("drop_column", Severity::High));
                }
            }
        }
        last = reader.next();
    }
    None
}

fn grant(reader: &mut Reader<'_, '_>) -> Found {
    if !reader.take("all") {
        return None;
    }
    reader.take("privileges");
    if !reader.take("on") {
        return None;
    }
    let to = reader.rest().iter().position(|token| token.is("to"));
    to.is_some_and(|to| to <= 8).then_some(("grant_all", Severity::High))
}
