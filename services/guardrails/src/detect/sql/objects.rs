//! Recognizes statements that remove or change objects, columns and access rights.

use super::lex::{Kind, Token};
use super::reader::{ACCESS, Found, OVERWRITE, Reader};
use super::rows::is_unrestricted;
use super::words::WORDS;
use mcp_contracts::guardrails::Severity;

pub(super) fn drop_object(reader: &mut Reader<'_, '_>) -> Found {
    if WORDS.harmless_drops().iter().any(|words| {
        words.split(' ').enumerate().all(|(at, word)| reader.tokens.get(at).is_some_and(|token| token.is(word)))
    }) {
        return None;
    }
    if reader.take("owned") {
        return reader.take("by").then_some(("drop_owned", Severity::Critical));
    }
    if let Some(kind) = reader.take_one_of(&WORDS.containers) {
        reader.if_exists();
        // The name continues where it cannot be read: the program may insert it.
        if reader.peek().kind == Kind::Unknown {
            return Some((kind, Severity::Critical));
        }
        let name = reader.names()?;
        // SQL Server: a name with `#` is a temporary table.
        if name.text.starts_with('#') || name.text.starts_with("[#") {
            return None;
        }
        reader.skip(&["cascade", "restrict", "constraints", "purge", "force", "with", "sync", "on"]);
        let options = reader.sql && (reader.upper_case || reader.peek().kind == Kind::Sign(b'('));
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

pub(super) fn create(reader: &mut Reader<'_, '_>) -> Found {
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

pub(super) fn alter(reader: &mut Reader<'_, '_>) -> Found {
    if reader.peek().is_any(&["user", "role", "login", "policy", "default", "authorization", "group"]) {
        reader.next();
        return (reader.stands_alone() && (reader.upper_case || reader.sql) && reader.name().is_some())
            .then_some(ACCESS?);
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

/// Returns the finding for a clause of `ALTER TABLE` that removes or rewrites data, or changes access rights.
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
        let everything = word.is("modify") || is_unrestricted(reader, &next);
        return everything.then_some(("delete_all", Severity::Critical));
    }
    if word.is("modify") || word.is("alter") && retyped(reader) {
        return high("change_type");
    }
    if word.is("update") && next.is_named() && after.kind == Kind::Sign(b'=') {
        return is_unrestricted(reader, &next).then_some(("update_all", Severity::High));
    }
    None
}

/// Returns true for `ALTER COLUMN a TYPE int`. SQL Server omits the keyword `TYPE`.
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

/// Finds `VACUUM t RETAIN 0 HOURS`, with any number: it removes the old versions of a table, to which it could be reset.
pub(super) fn retained(reader: &mut Reader<'_, '_>) -> Found {
    let rest = reader.rest();
    rest.windows(2)
        .any(|pair| pair[0].is("retain") && pair[1].kind == Kind::Number)
        .then_some(("vacuum", Severity::High))
}

pub(super) fn purge(reader: &mut Reader<'_, '_>) -> Found {
    let what = reader.next();
    let known = what.is_any(&["table", "recyclebin", "dba_recyclebin", "tablespace", "index", "binary", "master"]);
    (known && (reader.over() || reader.names().is_some()) && reader.stands_alone()).then_some(("purge", Severity::High))
}

pub(super) fn grant(reader: &mut Reader<'_, '_>) -> Found {
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
            (everybody || further && (reader.sql || reader.upper_case)).then_some(ACCESS?)
        };
    }
    // Without `on`, the statement grants a role or a privilege of the whole server.
    (reader.sql && reader.upper_case && to <= 4).then_some(ACCESS?)
}

pub(super) fn revoke(reader: &mut Reader<'_, '_>) -> Found {
    let rest = reader.rest();
    let at = |word: &str| rest.iter().position(|token| token.is(word));
    let from = at("from").or_else(|| at("to"))?;
    let on = at("on").is_some_and(|on| on < from);
    (reader.stands_alone() && (on || reader.sql && from <= 4) && (reader.upper_case || reader.sql)).then_some(ACCESS?)
}
