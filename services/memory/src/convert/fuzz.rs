//! Any export: pages that the service would import, or problems with lines of the file.

use super::*;
use fuzzing::Target;
use mcp_contracts::memory::RESERVED_TAG_PREFIXES;

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
    "user:ann",
    "workspace:default",
    "Workspace:default",
]);

/// The service sets these tags from the token of the import, so an export must not bring any.
fn assert_no_tag_is_reserved(tags: &[String]) {
    let is_reserved = |tag: &&String| RESERVED_TAG_PREFIXES.iter().any(|prefix| tag.to_lowercase().starts_with(prefix));
    assert_eq!(tags.iter().find(is_reserved), None, "a tag of the service");
}

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
                            assert_no_tag_is_reserved(&memory.tags);
                            let stored = validate::imported_memory(memory, true).expect("the service imports it");
                            assert_no_tag_is_reserved(&stored.tags);
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
