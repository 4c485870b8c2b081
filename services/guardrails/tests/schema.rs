//! The published schema of rule files equals the one that the code generates.

use mcp_guardrails::rules::schema;

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.schema.json");

#[test]
fn the_published_schema_is_that_of_the_code() {
    let published = std::fs::read_to_string(PUBLISHED).unwrap_or_default();
    assert!(
        published == schema::text(),
        "docs/rules.schema.json is out of date\nhint: mcp-guardrails rules-schema > docs/rules.schema.json"
    );
}
