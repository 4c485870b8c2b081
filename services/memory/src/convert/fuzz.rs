//! Any export: pages that the service would import, or problems with lines of the file.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new(
    "exports",
    &[
        "services/memory/src/convert.rs",
        "services/memory/src/convert/graph.rs",
        "services/memory/src/convert/mem0.rs",
        "services/memory/src/tools/validate.rs",
    ],
)
.with_words(&[
    "\"type\":\"entity\",",
    "\"type\":\"relation\",",
    "\"observations\":[\"a\"],",
    "\"memory\":\"a\",",
    "\"categories\":[\"a\"],",
    "\"metadata\":{},",
    "{\"results\":[",
    "\"created_at\":\"2026-01-31T12:00:00Z\",",
    "\"created_at\":\"9999-12-31T23:59:59Z\",",
    "\"id\":\"0b0c6ab0-1111-4222-8333-444444444444\",",
    "\n",
    "org:acme",
]);

#[test]
fn pages_can_be_imported_and_problems_have_lines() {
    TARGET.run_text(|text| {
        for format in [Format::Graph, Format::Mem0] {
            let options = Options { format, visibility: Visibility::Workspace, keep_ids: true };
            match pages(text, options) {
                Ok(pages) => {
                    for line in pages.lines() {
                        let page: ImportPage = serde_json::from_str(line).expect("a page is a request of the tool");
                        assert!(page.keep_ids && (1..=MAX_IMPORT).contains(&page.memories.len()));
                        for memory in page.memories {
                            assert_eq!(memory.visibility, Visibility::Workspace);
                            let stored = validate::imported_memory(memory, true).expect("the service imports it");
                            let reserved = |tag: &&String| tag.starts_with("org:") || tag.starts_with("user:");
                            assert_eq!(stored.tags.iter().find(reserved), None, "a tag of the service");
                        }
                    }
                }
                Err(problems) => {
                    assert!(!problems.is_empty());
                    let lines = text.lines().count().max(1);
                    for (line, why) in problems {
                        assert!((1..=lines).contains(&line), "line {line} of {lines}: {why}");
                        assert!(!why.is_empty(), "a problem without a reason");
                    }
                }
            }
        }
    });
}
