//! Statements that delete or update rows. Decides if a condition or a limit restricts the rows, or if the statement affects all of them.

use super::condition::always_holds;
use super::lex::{Kind, Token};
use super::reader::{Found, Reader};
use mcp_contracts::guardrails::Severity;

/// Highest `LIMIT` that still counts as a restriction.
const MAX_LIMIT: u64 = 10_000;

pub(super) fn truncate(reader: &mut Reader<'_, '_>) -> Found {
    let table = reader.peek().is_any(&["table", "database"]);
    let all = reader.peek().is("all");
    let next = reader.skip(&["all", "table", "tables", "database", "from", "temporary"]).kind;
    reader.if_exists();
    reader.take("only");
    let found = Some(("truncate", Severity::Critical));
    if table && reader.peek().kind == Kind::Unknown {
        return found;
    }
    // Without `TABLE`, the verb may be an identifier of a program: `Truncate { bytes: 1 }`.
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
    let sure =
        table || all || reader.upper_case || reader.sql && reader.begins || reader.peek().kind == Kind::Semicolon;
    ((reader.over() || reader.sql && reader.upper_case) && sure).then_some(found?)
}

pub(super) fn delete(reader: &mut Reader<'_, '_>) -> Found {
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
    let goes_on = reader.over() || reader.peek().is_any(&clauses) || reader.sql && reader.upper_case;
    if !goes_on {
        return None;
    }
    let table = &reader.tokens[usize::from(plain)];
    is_unrestricted(reader, table).then_some(("delete_all", Severity::Critical))
}

pub(super) fn update(reader: &mut Reader<'_, '_>) -> Found {
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
    let parenthesis = reader.take_symbol(b'(');
    reader.name()?;
    if !parenthesis && !reader.take_symbol(b'=') {
        return None;
    }
    is_unrestricted(reader, name).then_some(("update_all", Severity::High))
}

pub(super) fn merge(reader: &mut Reader<'_, '_>) -> Found {
    reader.take("into");
    reader.name()?;
    let rest = reader.rest();
    let deletes = rest.windows(2).any(|pair| pair[0].is("then") && pair[1].is("delete"));
    (deletes && rest.iter().any(|token| token.is("when"))).then_some(("merge_delete", Severity::Critical))
}

/// Returns true if no condition or limit restricts a `DELETE` or `UPDATE`. Takes the rest of the statement.
pub(super) fn is_unrestricted(reader: &mut Reader<'_, '_>, table: &Token<'_>) -> bool {
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

/// Returns true for a condition such as `id IN (SELECT id FROM users)` that selects every row of the same table.
fn selects_itself(condition: &[Token<'_>], table: &Token<'_>) -> bool {
    let closes = |token: &Token<'_>| token.kind == Kind::Sign(b')');
    let mut from = condition.windows(3).filter(|tokens| tokens[0].is("from") && closes(&tokens[2]));
    condition.iter().any(|token| token.is("in"))
        && !condition.iter().any(|token| token.is_any(&["where", "not", "and", "limit", "having", "join"]))
        && from.next().is_some_and(|tokens| tokens[1].text.eq_ignore_ascii_case(table.text))
}

/// Cuts a condition before a parenthesis that closes one opened before the condition.
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

/// Returns true if the token begins another statement on a new line.
fn next_statement(token: &Token<'_>) -> bool {
    token.new_line
        && token.is_any(&[
            "drop", "truncate", "delete", "update", "alter", "grant", "insert", "select", "create", "commit", "go",
            "end",
        ])
}
