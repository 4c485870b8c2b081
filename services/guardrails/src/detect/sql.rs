//! Finds SQL that deletes or overwrites data or changes access, also inside code, shell commands and logs. A cheap search for verbs finds the
//! places where a statement may begin; only these are parsed as SQL. A verb that every reading takes for a comment, data or prose is ignored.

mod condition;
mod context;
mod dialect;
mod lex;
mod objects;
mod reader;
mod readings;
mod rows;
mod statement;
mod words;

use super::finding::Findings;
use aho_corasick::{AhoCorasick, MatchKind};
use mcp_contracts::guardrails::Severity;
use readings::Readings;
use std::sync::LazyLock;

/// First words of the statements that the module `statement` can parse.
const VERBS: [&str; 17] = [
    "drop",
    "truncate",
    "delete",
    "update",
    "alter",
    "grant",
    "revoke",
    "deny",
    "merge",
    "insert",
    "create",
    "vacuum",
    "purge",
    "restore",
    "reassign",
    "replace",
    "set password",
];

/// Maximum number of bytes that are parsed as statements, over all dialects: 16 times the largest text. Ordinary SQL is parsed once per dialect.
const MAX_WORK: usize = 4 << 20;

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostFirst)
        .build(VERBS)
        .expect("the verbs are few and fixed")
});

pub(super) fn table_date() -> &'static str {
    &words::WORDS.date
}

/// Reports destructive statements. In a text that its sender declares to be SQL, also reports a statement that is not known to be harmless.
pub(super) fn find(text: &str, declared: bool, findings: &mut Findings) {
    if !declared && !SEARCH.is_match(text) {
        return;
    }
    let readings = Readings::of(text, declared);
    let (mut read_to, mut work) = (0, 0);
    for verb in SEARCH.find_iter(text) {
        if findings.done() {
            return;
        }
        let begins = verb.start() >= read_to && context::is_whole_word(text, verb.range());
        if !begins || !statement::may_begin(text, verb.range()) {
            continue;
        }
        let places = readings.places(verb.start());
        let statement = places.iter().find_map(|place| statement::read(text, verb.range(), place, &mut work));
        if work > MAX_WORK {
            // The text consists mostly of verbs and quotes. A part that was not parsed must not count as harmless.
            findings.add("unread", Severity::High, verb.start()..text.len());
            return;
        }
        if let Some(statement) = statement {
            read_to = statement.end;
            findings.add(statement.kind, statement.severity, verb.start()..statement.end);
        }
    }
    if let Some(word) = readings.unknown() {
        findings.add("unknown_statement", Severity::Medium, word);
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::guardrails::Detection;

    fn kinds(text: &str) -> Vec<&'static str> {
        let mut findings = Findings::all(text, Detection::DestructiveSql);
        find(text, false, &mut findings);
        findings.into_sorted().iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn statements_that_destroy_are_found_in_sql_code_and_shell() {
        let cases = [
            ("DROP TABLE customers;", "drop_table"),
            ("dRoP /* x */ tAbLe if exists a.b cascade", "drop_table"),
            ("drop database shop", "drop_database"),
            ("/*!50000 DROP TABLE x */", "drop_table"),
            ("TRUNCATE orders, lines RESTART IDENTITY;", "truncate"),
            ("db.execute(\"DELETE FROM users\")", "delete_all"),
            ("DELETE FROM a WHERE 1=1;", "delete_all"),
            ("DELETE FROM a WHERE id = 4 OR 'x' = 'x'", "delete_all"),
            ("UPDATE users SET active = 0", "update_all"),
            ("ALTER TABLE users DROP COLUMN email;", "drop_column"),
            ("GRANT ALL PRIVILEGES ON shop.* TO 'app'@'%';", "grant_all"),
            ("psql -c 'DROP SCHEMA public CASCADE'", "drop_schema"),
            ("x = 'a'; DROP TABLE users; --", "drop_table"),
        ];
        for (text, kind) in cases {
            assert_eq!(kinds(text), [kind], "{text}");
        }
    }

    #[test]
    fn a_text_that_takes_too_much_work_is_no_harmless_one() {
        let ordinary = "UPDATE a SET b = 'c\\' WHERE d = 1; -- \"x\" [y] /* z */\n".repeat(4_000);
        assert!(kinds(&ordinary).is_empty());
        assert_eq!(kinds(&"SELECT '\" [ ` q'[ # $x$ /* \\ update a set b=c where d ".repeat(4_000)), ["unread"]);
    }

    #[test]
    fn harmless_statements_and_mentions_are_not_reported() {
        let cases = [
            "SELECT 'DROP TABLE x' AS warning",
            "-- DROP TABLE customers;",
            "// db.query('DELETE FROM users')",
            "/* TRUNCATE orders; */ SELECT 1",
            "DELETE FROM users WHERE id = 4;",
            "\"DELETE FROM users \" + filter",
            "\"DELETE FROM users \"\n  \"WHERE id = $1\"",
            "UPDATE users SET a = 1 WHERE id = 2",
            "INSERT INTO log VALUES ('DELETE FROM users;')",
            "we drop table locks early",
            "truncate table names to 30 characters",
            "Delete from cart",
            "ALTER TABLE users DROP CONSTRAINT users_email_key;",
            "ON DELETE CASCADE ON UPDATE SET NULL",
            "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 2;",
            "GRANT SELECT ON a TO b;",
            "EXPLAIN DELETE FROM users;",
        ];
        for text in cases {
            assert!(kinds(text).is_empty(), "{text}: {:?}", kinds(text));
        }
    }
}
