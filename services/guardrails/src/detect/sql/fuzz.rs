//! Any text: places inside the text, bounded work, and no way to hide a statement behind text that opens neither a quote nor a comment.

use super::*;
use fuzzing::Target;
use mcp_contracts::guardrails::Detection;

const TARGET: Target = Target::new(
    "sql",
    &[
        "services/guardrails/src/detect/sql.rs",
        "services/guardrails/src/detect/sql/context.rs",
        "services/guardrails/src/detect/sql/lex.rs",
        "services/guardrails/src/detect/sql/reader.rs",
        "services/guardrails/src/detect/sql/readings.rs",
        "services/guardrails/src/detect/sql/statement.rs",
        "services/guardrails/src/detect/sql/condition.rs",
    ],
)
.with_words(&[
    "DROP TABLE a;",
    "DELETE FROM a",
    "UPDATE a SET b = 1",
    " WHERE ",
    "1=1",
    "TRUNCATE a",
    "GRANT ALL ON a TO b",
    "EXPLAIN ",
    "CREATE FUNCTION f() AS $$",
    "$$",
    "--",
    "/*",
    "*/",
    "/*!50000 ",
    "'",
    "''",
    "\\'",
    "\"",
    "`",
    "[",
    "]",
    "q'[",
    "E'",
    "#",
    ";",
    " OR ",
]);
/// Characters that open a quote, a comment or an escape in one of the dialects.
const OPENING: [char; 12] = ['\'', '"', '`', '[', '$', '#', '-', '/', '*', '\\', '{', '<'];

fn places(text: &str, declared: bool) -> Vec<(&'static str, usize, usize)> {
    let mut findings = Findings::all(text, Detection::DestructiveSql);
    find(text, declared, &mut findings);
    findings.into_sorted().iter().map(|finding| (finding.kind, finding.start, finding.end)).collect()
}

#[test]
fn statements_have_places_and_cannot_hide_behind_plain_text() {
    TARGET.run_text(|text| {
        for declared in [false, true] {
            let found = places(text, declared);
            for (kind, start, end) in &found {
                assert!(start < end && *end <= text.len(), "{kind} at {start}..{end} of {}", text.len());
                assert!(text.is_char_boundary(*start) && text.is_char_boundary(*end), "{kind} splits a character");
            }
            assert!(found.windows(2).all(|pair| pair[0].2 <= pair[1].1), "places overlap: {found:?}");
            let first = {
                let mut findings = Findings::first(text, Detection::DestructiveSql);
                find(text, declared, &mut findings);
                !findings.is_empty()
            };
            assert_eq!(first, !found.is_empty(), "the search for the first statement differs");
        }
        let harmless: String = text.chars().filter(|letter| !OPENING.contains(letter)).collect();
        let hidden = format!("{harmless}\n;\nDROP TABLE customers;");
        assert!(!places(&hidden, true).is_empty(), "the last statement is not found in {hidden:?}");
    });
}
