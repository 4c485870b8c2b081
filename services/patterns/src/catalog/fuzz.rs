//! Any catalogue file: patterns with complete templates, or problems with lines of the file.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new(
    "catalogues",
    &["services/patterns/src/catalog.rs", "services/patterns/src/catalog/read.rs", "services/patterns/src/template.rs"],
)
.with_words(&[
    "  - id: one\n",
    "    title: One\n",
    "    summary: One.\n",
    "    tags: [a]\n",
    "    level: beginner\n",
    "    plan: free\n",
    "    related: [one]\n",
    "    variables:\n      - name: task\n        description: The task.\n",
    "    body: Do {{task}}\n",
    "{{task}}",
    "{{",
    "}}",
    "{{ a }}",
]);

fn read(text: &str) -> Result<Catalog, Problems> {
    Catalog::from_files(vec![DataFile { name: "own.yaml".to_owned(), text: text.to_owned() }])
}

#[test]
fn patterns_are_complete_and_problems_have_lines() {
    TARGET.run_text(|text| {
        let lines = text.lines().count() + 2;
        match read(text) {
            Ok(catalog) => {
                assert_eq!(catalog.version().len(), VERSION_DIGITS);
                assert!(!catalog.patterns().is_empty(), "a catalogue without a pattern");
                for pattern in catalog.patterns() {
                    let id = &pattern.detail.id;
                    assert_eq!(catalog.get(id).map(|found| &found.detail), Some(&pattern.detail), "{id}");
                    let own: Vec<(&str, String)> =
                        pattern.template.names().into_iter().map(|name| (name, format!("{{{{{name}}}}}"))).collect();
                    let values = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    assert_eq!(pattern.template.fill(&values), pattern.body, "{id}");
                    let related = pattern.detail.related.iter();
                    assert!(
                        related.clone().all(|other| catalog.get(other).is_some()),
                        "{id}: {:?}",
                        pattern.detail.related
                    );
                }
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
