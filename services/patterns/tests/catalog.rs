//! The built-in catalogue, and problems of catalogue files.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::Plan;
use mcp_kit::data::{DataFile, FolderData, Problems};
use mcp_patterns::catalog::{Catalog, schema};
use std::collections::BTreeSet;

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/catalog.schema.json");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/catalog");

#[test]
fn the_built_in_catalogue_equals_the_folder_and_is_large_enough() {
    let built_in = Catalog::built_in().unwrap();
    assert_eq!(built_in.version(), Catalog::load(FOLDER.as_ref()).unwrap().version());
    assert!(built_in.patterns().len() >= 60);
    for plan in Plan::ALL {
        assert!(built_in.patterns().iter().any(|pattern| pattern.detail.plan == plan), "{plan:?}");
    }
}

#[test]
fn no_two_patterns_share_a_long_line() {
    let catalog = Catalog::built_in().unwrap();
    let mut lines_so_far = BTreeSet::new();
    for pattern in catalog.patterns() {
        let detail = &pattern.detail;
        let lines = pattern.body.lines().count();
        assert!((10..=45).contains(&lines), "`{}` has {lines} lines", detail.id);
        assert!(
            detail.variables.iter().any(|variable| variable.default.is_none()),
            "`{}` has no required variable",
            detail.id
        );
        assert!(detail.summary.ends_with('.') && !detail.title.ends_with('.'), "`{}`", detail.id);
        for line in pattern.body.lines().map(str::trim).filter(|line| line.len() > 45) {
            assert!(lines_so_far.insert(line.to_owned()), "`{}` repeats a line of another pattern: {line}", detail.id);
        }
    }
}

#[test]
fn the_published_schema_is_current_and_the_files_match_it() {
    let published = std::fs::read_to_string(PUBLISHED).unwrap();
    assert_eq!(published, schema(), "hint: mcp-patterns catalog-schema > docs/catalog.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(&published).unwrap()).unwrap();
    let catalog = Catalog::built_in().unwrap();
    for pattern in catalog.patterns() {
        let mut entry = serde_json::to_value(&pattern.detail).unwrap();
        entry["body"] = pattern.body.as_str().into();
        let category = entry.as_object_mut().unwrap().remove("category").unwrap();
        let file = serde_json::json!({ "category": category, "patterns": [entry] });
        assert!(validator.is_valid(&file), "`{}`: {:?}", pattern.detail.id, validator.validate(&file));
        let unknown = serde_json::json!({ "category": category, "patterns": [entry], "more": 1 });
        assert!(!validator.is_valid(&unknown));
    }
}

fn load(files: &[(&str, &str)]) -> Result<Catalog, Problems> {
    let file = |(name, text): &(&str, &str)| DataFile { name: (*name).to_owned(), text: (*text).to_owned() };
    Catalog::from_files(files.iter().map(file).collect())
}

fn refused(files: &[(&str, &str)]) -> Problems {
    load(files).unwrap_err()
}

#[test]
fn every_problem_of_every_file_is_reported_with_its_line() {
    let one = "categorie: x
patterns:
  - id: Bad Id
    title: First
    summary: One.
    tags: [a, a]
    roles: sre
    level: beginer
    plan: gold
    related: [first, nowhere]
    variables:
      - name: used
        description: Used.
      - name: unused
        description: Never used.
      - name: used
        description: Again.
    body: |
      {{used}} and {{usd}}
      and {{ broken }}
  - id: first
    titel: x
    level: beginner
";
    let two = "category: y
patterns:
  - id: first
    title: Again
    summary: One.
    tags: [a]
    roles: [sre]
    level: beginner
    plan: free
    related: [first]
    body: |
      {{used}} and {{missing}}
";
    let error = refused(&[("one.yaml", one), ("two.yaml", two), ("three.yaml", "a: [1\n"), ("four.yaml", "")]);
    insta::assert_snapshot!(error.to_string());
}

#[test]
fn values_beyond_a_limit_are_refused() {
    let entry = |body: &str, title: &str| {
        format!(
            "category: x\npatterns:\n  - id: a\n    title: {title}\n    summary: s\n    tags: [t]\n    roles: [r]\n    level: beginner\n    plan: free\n    body: \"{body}\"\n"
        )
    };
    assert!(load(&[("x", &entry("short", "fine"))]).is_ok());
    for (file, message) in [
        (entry(&"x".repeat(17_000), "fine"), "at most 16384"),
        (entry("short", &"x".repeat(81)), "at most 80"),
        (entry("  ", "fine"), "is empty"),
        ("category: x\npatterns: []\n".to_owned(), "`patterns` is empty"),
    ] {
        let error = refused(&[("x.yaml", &file)]);
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn folders_without_a_catalogue_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Catalog::load(folder.path()).unwrap_err().to_string().contains("no catalogue file"));
    assert!(Catalog::load(&folder.path().join("nowhere")).unwrap_err().to_string().contains("cannot be read"));
    std::fs::write(folder.path().join("a.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(Catalog::load(folder.path()).unwrap_err().to_string().contains("a.yaml:1"));
}
