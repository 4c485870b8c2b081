//! The documents agree with the contract: a page for every error code, a row for every variable and every metric.

use mcp_contracts::{ErrorCode, env, rpc};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn every_error_code_has_a_page_and_no_page_is_without_one() {
    let codes = ErrorCode::ALL.into_iter().map(|code| format!("{}.md", code.name()));
    let expected: BTreeSet<String> = codes.chain(rpc::ALL.map(|code| format!("rpc{code}.md"))).collect();
    let pages = std::fs::read_dir(docs().join("errors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> = pages.filter(|page| page != "README.md").collect();
    assert_eq!(pages, expected);
    let index = std::fs::read_to_string(docs().join("errors/README.md")).unwrap();
    for page in &pages {
        let text = std::fs::read_to_string(docs().join("errors").join(page)).unwrap();
        assert!(text.contains("## What happened") && text.contains("## What to do"), "{page}");
        assert!(index.contains(&format!("({page})")), "{page} is not in the index");
    }
}

#[test]
fn a_page_says_the_same_about_retries_as_the_code() {
    for code in ErrorCode::ALL {
        let text = std::fs::read_to_string(docs().join("errors").join(format!("{}.md", code.name()))).unwrap();
        let word = if code.retryable() { "**yes**" } else { "**no**" };
        assert!(text.contains(word), "{} should say {word}", code.name());
    }
}

#[test]
fn every_variable_and_every_metric_is_in_the_operations_manual() {
    let manual = std::fs::read_to_string(docs().join("mcp/OPERATIONS.md")).unwrap();
    for variable in env::ALL {
        let default = variable.default.map_or("unset".to_owned(), |value| format!("`{value}`"));
        let row = format!("| `{}` | {default} | {} |", variable.name, variable.about);
        assert!(manual.contains(&row), "this row is missing:\n{row}");
    }
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metric.rs")).unwrap();
    let names: Vec<&str> = source.split('"').filter(|text| text.starts_with("mcp_")).collect();
    assert!(names.len() > 10);
    for name in names {
        assert!(manual.contains(&format!("| `{name}` |")), "metric {name} is missing");
    }
}
