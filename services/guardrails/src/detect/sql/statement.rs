//! The statements that remove or rewrite data or access: their grammar, as far as it takes to tell them from prose and from statements that
//! name what goes.

use super::condition::always_holds;
use super::context::{Place, TextKind};
use super::dialect::Dialect;
use super::lex::{Kind, MAX_TOKENS, Token, tokens};
use super::words::WORDS;
use mcp_contracts::guardrails::Severity;
use std::collections::BTreeMap;
use std::ops::Range;

/// Most rows of a `LIMIT` that still confines a statement.
const MAX_LIMIT: u64 = 10_000;
/// How many tokens after its verb say whether a text may be a statement.
const FIRST_TOKENS: usize = 16;

/// A statement that destroys.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kind: &'static str,
    pub(super) severity: Severity,
    pub(super) end: usize,
}

type Found = Option<(&'static str, Severity)>;

const ACCESS: Found = Some(("change_access", Severity::High));
const OVERWRITE: Found = Some(("overwrite", Severity::Critical));

/// Whether the words after the verb may be those of a statement; a cheap look before the whole is read.
pub(super) fn may_begin(text: &str, verb: Range<usize>) -> bool {
    let ahead = tokens(text, verb.end, None, Dialect::MIXED, FIRST_TOKENS);
    let next = ahead[0];
    let soon = |word: &str| ahead.iter().any(|token| token.is(word));
    match text[verb].to_ascii_lowercase().as_str() {
        "drop" => next.kind == Kind::Word || next.kind == Kind::Name,
        "grant" | "revoke" | "deny" => next.kind == Kind::Word,
        "alter" => next.kind == Kind::Word,
        "update" => next.is_named() && soon("set"),
        "create" => soon("replace") || next.is_any(&["user", "role", "login"]),
        "insert" => soon("overwrite"),
        "merge" | "vacuum" | "purge" | "truncate" | "delete" => next.is_named(),
        "replace" => next.is("table"),
        "set password" => next.is("for") || next.kind == Kind::Sign(b'='),
        "restore" => next.is_any(&["database", "log"]),
        "reassign" => next.is("owned"),
        _ => false,
    }
}

/// Reads the statement that begins with the verb.
pub(super) fn read(text: &str, verb: Range<usize>, place: &Place) -> Option<Statement> {
    let word = &text[verb.clone()];
    let tokens = tokens(text, verb.end, place.quote, place.dialect, MAX_TOKENS);
    let begins = begins_line(text, verb.start) || place.quote == text[..verb.start].bytes().next_back();
    let shouted = word.bytes().all(|letter| letter.is_ascii_uppercase());
    let mut reader =
        Reader { tokens: &tokens, at: 0, end: verb.end, sql: place.text != TextKind::Mixed, begins, shouted };
    let found = match word.to_ascii_lowercase().as_str() {
        "drop" => drop_object(&mut reader),
        "truncate" => truncate(&mut reader),
        "delete" => delete(&mut reader),
        "update" => update(&mut reader),
        "alter" => alter(&mut reader),
        "grant" => grant(&mut reader),
        "revoke" | "deny" => revoke(&mut reader),
        "merge" => merge(&mut reader),
        "create" => create(&mut reader),
        "insert" => {
            (reader.take("overwrite") && reader.finds(&["select", "values", "table", "with"])).then_some(OVERWRITE?)
        }
        "replace" => (reader.take("table") && reader.name().is_some()).then_some(OVERWRITE?),
        "set password" => reader.sql.then_some(ACCESS?),
        "vacuum" => retained(&mut reader),
        "purge" => purge(&mut reader),
        "restore" => (reader.finds(&["replace"])).then_some(OVERWRITE?),
        _ => (reader.take("owned") && reader.take("by")).then_some(ACCESS?),
    };
    let (kind, severity) = found?;
    let titled = word.starts_with(|first: char| first.is_ascii_uppercase()) && !shouted;
    let semicolon = tokens.last().is_some_and(|last| last.kind == Kind::Semicolon);
    let is_statement = semicolon || shouted || place.text == TextKind::Declared || !(place.after_word || titled);
    is_statement.then_some(Statement { kind, severity, end: reader.end })
}

/// Whether a line or a statement begins at `at`.
fn begins_line(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t', '+', '-']);
    before.is_empty() || before.ends_with(['\n', ';'])
}

struct Reader<'a, 't> {
    tokens: &'a [Token<'t>],
    at: usize,
    end: usize,
    /// True in a text that is SQL: every object of every dialect counts there.
    sql: bool,
    /// True where the verb begins a line, a statement or a string.
    begins: bool,
    shouted: bool,
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

    fn rest_of_parentheses(&mut self) {
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
            // `database..table` of SQL Server.
            self.take_sign(b'.');
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
            || self.sql && token.is_any(&["commit", "go", "end", "rollback"])
    }

    /// What is left of the statement, to its end.
    fn rest(&mut self) -> &'a [Token<'t>] {
        let start = self.at;
        while !self.peek().ends() {
            self.next();
        }
        &self.tokens[start..self.at]
    }

    /// Skips any of the words; what follows them.
    fn skip(&mut self, words: &[&str]) -> &'a Token<'t> {
        while self.peek().is_any(words) {
            self.next();
        }
        self.peek()
    }

    /// Reads the rest of the statement; whether one of the words is in it.
    fn finds(&mut self, words: &[&str]) -> bool {
        self.rest().iter().any(|token| token.is_any(words))
    }

    /// Takes the longest of the groups of words that comes next; its kind.
    fn take_one_of(&mut self, groups: &'static BTreeMap<String, Vec<String>>) -> Option<&'static str> {
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

    /// Whether it stands as a statement does even where its words are common ones.
    fn stands_alone(&self) -> bool {
        let ends = self.tokens.last().is_some_and(|last| matches!(last.kind, Kind::Semicolon | Kind::End));
        self.sql || self.shouted || self.begins && ends
    }
}

fn drop_object(reader: &mut Reader<'_, '_>) -> Found {
    if WORDS.kept().iter().any(|words| {
        words.split(' ').enumerate().all(|(at, word)| reader.tokens.get(at).is_some_and(|token| token.is(word)))
    }) {
        return None;
    }
    if reader.take("owned") {
        return reader.take("by").then_some(("drop_owned", Severity::Critical));
    }
    if let Some(kind) = reader.take_one_of(&WORDS.containers) {
        reader.if_exists();
        // Which table it is may be put in by the program.
        if reader.peek().kind == Kind::Unknown {
            return Some((kind, Severity::Critical));
        }
        let name = reader.names()?;
        if name.text.starts_with('#') || name.text.starts_with("[#") {
            return None;
        }
        reader.skip(&["cascade", "restrict", "constraints", "purge", "force", "with", "sync", "on"]);
        let options = reader.sql && (reader.shouted || reader.peek().kind == Kind::Sign(b'('));
        return (reader.over() || options).then_some((kind, Severity::Critical));
    }
    let known = reader.take_one_of(&WORDS.objects);
    if known.is_none() && reader.sql {
        reader.next();
    }
    let kind = known.or_else(|| reader.sql.then_some("drop_object"))?;
    reader.skip(&["concurrently"]);
    reader.if_exists();
    reader.names()?;
    let ends = reader.over()
        || reader.peek().kind == Kind::Sign(b'(')
        || reader.peek().is_any(&["on", "for", "cascade", "restrict", "from", "using", "as"]);
    (ends && reader.stands_alone()).then_some((kind, Severity::High))
}

fn truncate(reader: &mut Reader<'_, '_>) -> Found {
    let table = reader.peek().is_any(&["table", "database"]);
    let all = reader.peek().is("all");
    let next = reader.skip(&["all", "table", "tables", "database", "from", "temporary"]).kind;
    reader.if_exists();
    reader.take("only");
    let found = Some(("truncate", Severity::Critical));
    if table && reader.peek().kind == Kind::Unknown {
        return found;
    }
    // Without its keyword it is also a word of programs: `Truncate { bytes: 1 }`.
    if !table && next == Kind::Hole {
        return None;
    }
    reader.names()?;
    reader.skip(&[
        "restart",
        "continue",
        "identity",
        "cascade",
        "restrict",
        "drop",
        "reuse",
        "storage",
        "with",
        "partitions",
        "sync",
        "on",
    ]);
    let sure = table || all || reader.shouted || reader.sql && reader.begins || reader.peek().kind == Kind::Semicolon;
    ((reader.over() || reader.sql && reader.shouted) && sure).then_some(found?)
}

fn delete(reader: &mut Reader<'_, '_>) -> Found {
    let plain = reader.peek().is("from");
    reader.skip(&["low_priority", "quick", "ignore"]);
    if reader.take("top") {
        reader.rest_of_parentheses();
        reader.take("percent");
    }
    reader.take("only");
    if !reader.take("from") {
        // `DELETE a FROM a`, and without `FROM` in SQL Server and Oracle.
        reader.names()?;
        // Elsewhere `DELETE requests` is a method of HTTP.
        let alone = reader.sql && reader.stands_alone() || reader.begins && reader.peek().kind == Kind::Semicolon;
        if !reader.take("from") && !(alone && (reader.over() || reader.peek().is("where"))) {
            return None;
        }
    }
    if plain || !reader.over() && !reader.peek().is("where") {
        reader.take("only");
        reader.names()?;
        reader.take("as");
    }
    let clauses = [
        "where",
        "using",
        "limit",
        "order",
        "returning",
        "join",
        "inner",
        "left",
        "right",
        "cross",
        "output",
        "option",
        "with",
    ];
    if reader.peek().kind == Kind::Word && !reader.peek().is_any(&clauses) && !reader.peek().new_line {
        reader.next();
    }
    if !reader.over() && !reader.peek().is_any(&clauses) && !(reader.sql && reader.shouted) {
        return None;
    }
    let table = &reader.tokens[usize::from(plain)];
    unconfined(reader, table).then_some(("delete_all", Severity::Critical))
}

fn update(reader: &mut Reader<'_, '_>) -> Found {
    reader.skip(&["only", "low_priority", "ignore"]);
    let name = reader.names()?;
    if name.is("set") {
        return None;
    }
    let joins = ["join", "inner", "left", "right", "cross"];
    if !reader.peek().is("set") && !reader.peek().is_any(&joins) {
        reader.take("as");
        reader.name()?;
    }
    // `UPDATE a JOIN b ON … SET` of MySQL.
    let joined = reader.peek().is_any(&joins);
    while joined && !reader.peek().is("set") && !reader.peek().ends() {
        reader.next();
    }
    if !reader.take("set") {
        return None;
    }
    let parenthesis = reader.take_sign(b'(');
    reader.name()?;
    if !parenthesis && !reader.take_sign(b'=') {
        return None;
    }
    unconfined(reader, name).then_some(("update_all", Severity::High))
}

/// Whether nothing confines a `DELETE` or an `UPDATE`, from here to its end.
fn unconfined(reader: &mut Reader<'_, '_>, table: &Token<'_>) -> bool {
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
    let clause = outer.find(|(_, token)| token.is_any(&["where", "limit"]) || next_statement(token));
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
    ends != Kind::Unknown && (always_holds(condition) || selects_itself(condition, table))
}

/// `id IN (SELECT id FROM users)` of the same table, without a condition.
fn selects_itself(condition: &[Token<'_>], table: &Token<'_>) -> bool {
    let closes = |token: &Token<'_>| token.kind == Kind::Sign(b')');
    let mut from = condition.windows(3).filter(|tokens| tokens[0].is("from") && closes(&tokens[2]));
    condition.iter().any(|token| token.is("in"))
        && !condition.iter().any(|token| token.is_any(&["where", "not", "and", "limit", "having", "join"]))
        && from.next().is_some_and(|tokens| tokens[1].text.eq_ignore_ascii_case(table.text))
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

fn merge(reader: &mut Reader<'_, '_>) -> Found {
    reader.take("into");
    reader.name()?;
    let rest = reader.rest();
    let deletes = rest.windows(2).any(|pair| pair[0].is("then") && pair[1].is("delete"));
    (deletes && rest.iter().any(|token| token.is("when"))).then_some(("merge_delete", Severity::Critical))
}

fn create(reader: &mut Reader<'_, '_>) -> Found {
    if reader.take("or") && reader.take("replace") {
        let object = reader.skip(&["transient", "external", "foreign", "hybrid", "iceberg", "dynamic"]);
        let container =
            object.is_any(&["table", "database", "schema", "stage", "stream", "dictionary", "sequence", "keyspace"]);
        reader.next();
        reader.if_exists();
        return (container && reader.name().is_some()).then_some(OVERWRITE?);
    }
    (reader.peek().is_any(&["user", "role", "login"])
        && reader.finds(&["superuser", "createrole", "bypassrls", "replication", "sysadmin"]))
    .then_some(ACCESS?)
}

/// `VACUUM t RETAIN 0 HOURS`: the versions that one could go back to are removed.
fn retained(reader: &mut Reader<'_, '_>) -> Found {
    let rest = reader.rest();
    rest.windows(2)
        .any(|pair| pair[0].is("retain") && pair[1].kind == Kind::Number)
        .then_some(("vacuum", Severity::High))
}

fn purge(reader: &mut Reader<'_, '_>) -> Found {
    let what = reader.next();
    let known = what.is_any(&["table", "recyclebin", "dba_recyclebin", "tablespace", "index", "binary", "master"]);
    (known && (reader.over() || reader.names().is_some()) && reader.stands_alone()).then_some(("purge", Severity::High))
}

fn alter(reader: &mut Reader<'_, '_>) -> Found {
    if reader.peek().is_any(&["user", "role", "login", "policy", "default", "authorization", "group"]) {
        reader.next();
        return (reader.stands_alone() && (reader.shouted || reader.sql) && reader.name().is_some()).then_some(ACCESS?);
    }
    if !reader.skip(&["foreign", "external"]).is("table") {
        return None;
    }
    reader.next();
    reader.if_exists();
    reader.take("only");
    reader.name()?;
    let mut last = reader.next();
    while !last.ends() {
        if let Some(found) = altered(reader, last) {
            return Some(found);
        }
        last = reader.next();
    }
    None
}

/// What a clause of `ALTER TABLE` removes or rewrites.
fn altered(reader: &mut Reader<'_, '_>, word: &Token<'_>) -> Found {
    let high = |kind| Some((kind, Severity::High));
    let next = *reader.peek();
    let after = *reader.tokens.get(reader.at + 1).unwrap_or(&next);
    if word.is("drop") {
        return dropped(reader);
    }
    if word.is("truncate") && next.is("partition")
        || word.is("clear") && next.is_any(&["column", "index", "projection"])
    {
        return Some(("truncate", Severity::Critical));
    }
    if word.is_any(&["disable", "no"]) && (next.is("row") && after.is("level") || next.is("force")) {
        return ACCESS;
    }
    if word.is("owner") && next.is("to") {
        return ACCESS;
    }
    if word.is("set") && next.is("unlogged") || word.is("discard") && next.is("tablespace") {
        return high("unlogged");
    }
    if word.is("modify") && next.is("ttl") || word.is("delete") && next.is("where") {
        let everything = word.is("modify") || unconfined(reader, &next);
        return everything.then_some(("delete_all", Severity::Critical));
    }
    if word.is("modify") || word.is("alter") && retyped(reader) {
        return high("change_type");
    }
    if word.is("update") && next.is_named() && after.kind == Kind::Sign(b'=') {
        return unconfined(reader, &next).then_some(("update_all", Severity::High));
    }
    None
}

/// `ALTER COLUMN a TYPE int`, or without the keyword in SQL Server.
fn retyped(reader: &Reader<'_, '_>) -> bool {
    let column = usize::from(reader.peek().is("column"));
    let after = |more: usize| reader.tokens.get(reader.at + column + more);
    let kept = ["set", "drop", "add", "restart", "reset", "type", "remove"];
    after(1).is_some_and(|word| word.is("type") || column == 1 && word.kind == Kind::Word && !word.is_any(&kept))
        || after(2).is_some_and(|word| word.is("data")) && after(3).is_some_and(|word| word.is("type"))
}

fn dropped(reader: &mut Reader<'_, '_>) -> Found {
    let what = *reader.peek();
    for (word, kind) in [
        ("column", "drop_column"),
        ("partition", "drop_partition"),
        ("part", "drop_partition"),
        ("detached", "drop_partition"),
    ] {
        if what.is(word) {
            reader.next();
            reader.if_exists();
            reader.name();
            return Some((kind, Severity::High));
        }
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
        "unique",
    ];
    if !matches!(what.kind, Kind::Word | Kind::Name | Kind::Sign(b'(')) || what.is_any(&kept) {
        return None;
    }
    if what.kind == Kind::Sign(b'(') {
        return Some(("drop_column", Severity::High));
    }
    reader.if_exists();
    if !what.is("if") {
        reader.next();
    } else {
        reader.name()?;
    }
    let ends =
        reader.over() || reader.peek().kind == Kind::Sign(b',') || reader.peek().is_any(&["cascade", "restrict"]);
    ends.then_some(("drop_column", Severity::High))
}

fn grant(reader: &mut Reader<'_, '_>) -> Found {
    let all = reader.take("all");
    let rest = reader.rest();
    let at = |word: &str| rest.iter().position(|token| token.is(word));
    let to = at("to")?;
    if let Some(on) = at("on").filter(|on| *on < to) {
        let everybody = rest.get(to + 1).is_some_and(|token| token.is("public"));
        let further = rest.windows(2).any(|pair| pair[0].is_any(&["grant", "admin"]) && pair[1].is("option"));
        return if all && on <= 1 && to <= 8 {
            Some(("grant_all", Severity::High))
        } else {
            (everybody || further && (reader.sql || reader.shouted)).then_some(ACCESS?)
        };
    }
    // A role, or a privilege of the whole server.
    (reader.sql && reader.shouted && to <= 4).then_some(ACCESS?)
}

fn revoke(reader: &mut Reader<'_, '_>) -> Found {
    let rest = reader.rest();
    let at = |word: &str| rest.iter().position(|token| token.is(word));
    let from = at("from").or_else(|| at("to"))?;
    let on = at("on").is_some_and(|on| on < from);
    (reader.stands_alone() && (on || reader.sql && from <= 4) && (reader.shouted || reader.sql)).then_some(ACCESS?)
}
