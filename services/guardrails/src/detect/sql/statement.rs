//! Statements that delete or overwrite data or change access. Chooses the parser for each verb, and decides whether a match is a statement
//! or prose.

use super::context::{TextKind, VerbPosition};
use super::dialect::Dialect;
use super::lex::{Kind, MAX_TOKENS, tokens};
use super::reader::{ACCESS, OVERWRITE, Reader};
use super::{objects, rows};
use mcp_contracts::guardrails::Severity;
use std::ops::Range;

/// Number of tokens after the verb that [`may_begin`] reads.
const FIRST_TOKENS: usize = 16;

/// Fixed cost of reading a statement, in addition to one unit for each byte.
const READ_WORK: usize = 64;

/// A destructive statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kind: &'static str,
    pub(super) severity: Severity,
    pub(super) end: usize,
}

/// Returns true if the words after the verb may be those of a statement. A cheap check before the whole statement is read.
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
pub(super) fn read(text: &str, verb: Range<usize>, place: &VerbPosition, work: &mut usize) -> Option<Statement> {
    let word = &text[verb.clone()];
    let tokens = tokens(text, verb.end, place.quote, place.dialect, MAX_TOKENS);
    *work += READ_WORK + tokens.last().map_or(0, |last| last.end - verb.end);
    let begins = begins_line(text, verb.start) || place.quote == text[..verb.start].bytes().next_back();
    let upper_case = word.bytes().all(|letter| letter.is_ascii_uppercase());
    let mut reader =
        Reader { tokens: &tokens, at: 0, end: verb.end, sql: place.text != TextKind::Mixed, begins, upper_case };
    let found = match word.to_ascii_lowercase().as_str() {
        "drop" => objects::drop_object(&mut reader),
        "truncate" => rows::truncate(&mut reader),
        "delete" => rows::delete(&mut reader),
        "update" => rows::update(&mut reader),
        "alter" => objects::alter(&mut reader),
        "grant" => objects::grant(&mut reader),
        "revoke" | "deny" => objects::revoke(&mut reader),
        "merge" => rows::merge(&mut reader),
        "create" => objects::create(&mut reader),
        "insert" => {
            (reader.take("overwrite") && reader.finds(&["select", "values", "table", "with"])).then_some(OVERWRITE?)
        }
        "replace" => (reader.take("table") && reader.name().is_some()).then_some(OVERWRITE?),
        "set password" => reader.sql.then_some(ACCESS?),
        "vacuum" => objects::retained(&mut reader),
        "purge" => objects::purge(&mut reader),
        "restore" => (reader.finds(&["replace"])).then_some(OVERWRITE?),
        _ => (reader.take("owned") && reader.take("by")).then_some(ACCESS?),
    };
    let (kind, severity) = found?;
    let titled = word.starts_with(|first: char| first.is_ascii_uppercase()) && !upper_case;
    let semicolon = tokens.last().is_some_and(|last| last.kind == Kind::Semicolon);
    let is_statement = semicolon || upper_case || place.text == TextKind::Declared || !(place.after_word || titled);
    is_statement.then_some(Statement { kind, severity, end: reader.end })
}

/// Returns true if a line or a statement begins at `at`.
fn begins_line(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t', '+', '-']);
    before.is_empty() || before.ends_with(['\n', ';'])
}
