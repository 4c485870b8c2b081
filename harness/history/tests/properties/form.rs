//! The form of an operation in `history.jsonl`: a line that was recorded earlier stays as it is, and an unused field takes no space.

use harness_history::{Canary, Effect, Op, Query, RecordState, Visibility};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn files(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, paths) } else { paths.push(path) }
    }
}

/// Returns every line of the fixtures that is an operation.
fn lines() -> Vec<Value> {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/histories"), &mut paths);
    let mut lines = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")) {
        let text = std::fs::read_to_string(path).unwrap();
        let values = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.extend(values.filter(|line| line.get("process").is_some()));
    }
    lines
}

/// Returns every operation of the fixtures.
pub(crate) fn recorded_operations() -> Vec<Op> {
    lines().into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
}

#[test]
fn every_recorded_operation_is_written_again_as_it_was_read() {
    let lines = lines();
    assert!(lines.len() > 400, "{}", lines.len());
    for line in lines {
        let op: Op = serde_json::from_value(line.clone()).unwrap();
        assert_eq!(serde_json::to_value(&op).unwrap(), without_defaults(line));
    }
}

/// A fixture may spell out a value that a recorded line omits: `null`, `false`, an empty list of reasons, the effect `none`.
fn without_defaults(line: Value) -> Value {
    let is_default = |name: &str, value: &Value| {
        value.is_null()
            || (name == "effect" && value == "none")
            || (name == "risky" && value == false)
            || (["reasons", "fallbacks"].contains(&name) && value == &json!([]))
    };
    match line {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, value)| !is_default(name, value));
            kept.map(|(name, value)| (name, without_defaults(value))).collect()
        }
        other => other,
    }
}

#[test]
fn a_record_carries_its_version_visibility_and_tags_in_few_bytes() {
    let canary = Canary {
        tenant: "acme".into(),
        user: "ann".into(),
        workspace: Some("research".into()),
        shared: true,
        number: 7,
    };
    let value = RecordState {
        version: Some(3),
        visibility: Some(Visibility::Workspace),
        tags: Some(9),
        ..RecordState::of_content(1, Some(canary))
    };
    let update = Effect::Update { key: "k1".into(), value, expected: Some(2) };
    let written = json!({ "update": { "key": "k1", "expected": 2, "value": {
        "digest": 1, "version": 3, "visibility": "w", "tags": 9,
        "canary": { "tenant": "acme", "user": "ann", "workspace": "research", "shared": true, "number": 7 },
    } } });
    assert_eq!(serde_json::to_value(&update).unwrap(), written);
    assert_eq!(serde_json::from_value::<Effect>(written).unwrap(), update);
}

#[test]
fn a_page_says_what_it_was_asked_for() {
    let query = Query { words: Some(5), page: 1, more: true, target: Some("k1".into()), ..Query::default() };
    let scan = Effect::Scan { hits: Vec::new(), query: Some(Box::new(query)) };
    let written = json!({ "scan": { "hits": [], "query": { "words": 5, "page": 1, "more": true, "target": "k1" } } });
    assert_eq!(serde_json::to_value(&scan).unwrap(), written);
    assert_eq!(serde_json::from_value::<Effect>(written).unwrap(), scan);
}
