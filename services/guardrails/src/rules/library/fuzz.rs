//! Any rule file: rules whose version depends on their content alone, or problems with lines of the file.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new(
    "rule-files",
    &[
        "services/guardrails/src/rules/library.rs",
        "services/guardrails/src/rules/read.rs",
        "services/guardrails/src/rules/read_condition.rs",
        "services/guardrails/src/rules/pattern.rs",
    ],
)
.with_words(&[
    "  - id: OWN-001\n",
    "    severity: high\n",
    "    when:\n",
    "      regex: '(?i)a|b'\n",
    "      keywords: [one, two]\n",
    "      actions: [edit, commit]\n",
    "      files: ['**/*.rs']\n",
    "      any:\n",
    "off: [OWN-001]\n",
    "severities: {OWN-001: low}\n",
    "(a+)+$",
    "{1000}{1000}",
    "\\p{Greek}",
]);

fn build(text: &str) -> Result<Library, Problems> {
    Library::build(&[Source { name: "own.yaml".to_owned(), origin: Origin::Operator, text: text.to_owned() }])
}

#[test]
fn rules_have_one_version_and_problems_have_lines() {
    TARGET.run_text(|text| {
        // For YAML a carriage return alone ends a line too.
        let lines = text.replace("\r\n", "\n").matches(['\n', '\r']).count() + 2;
        match build(text) {
            Ok(library) => {
                let version = &library.common().version;
                assert_eq!(version.len(), 2 * VERSION_BYTES);
                // A byte order mark is allowed at the beginning only.
                let rest = text.trim_start_matches('\u{feff}');
                let again = build(&format!("# A comment.\n{rest}")).map(|again| again.common().version.clone());
                assert_eq!(again.as_ref().ok(), Some(version), "a comment changes the rules: {again:?}");
            }
            Err(problems) => {
                assert!(!problems.list().is_empty(), "refused without a problem");
                for problem in problems.list() {
                    assert!(problem.line <= lines, "line {} of {lines}: {}", problem.line, problem.message);
                    assert!(!problem.message.is_empty(), "a problem without a message");
                }
            }
        }
    });
}
