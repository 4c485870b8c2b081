//! The pages that `mcp-memory convert` makes of the exports of other servers are imported and found.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/service.rs"]
#[expect(dead_code, reason = "these tests need a part of it")]
mod service;

use serde_json::{Value, json};
use service::{Service, call, client, token_of};
use std::path::Path;
use std::process::{Output, Stdio};

fn convert(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Service::command(folder);
    command.arg("convert").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_both_formats_are_imported_and_found() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path()).await;
    let (client, ann, bob) = (client(), token_of("acme", "ann", "default"), token_of("acme", "bob", "default"));
    let exports = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/exports");
    for (format, file, memories) in [("graph", "graph.jsonl", 7), ("mem0", "mem0.json", 3)] {
        let file = exports.join(file);
        let output = convert(folder.path(), &["--from", format, "--shared", "--keep-ids", file.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        for again in [false, true] {
            let (mut created, mut duplicates) = (0, 0);
            for page in String::from_utf8(output.stdout.clone()).unwrap().lines() {
                let page: Value = serde_json::from_str(page).unwrap();
                let imported = call(&client, &service.url, &ann, "import_memories", page).await.unwrap().unwrap();
                created += imported["created"].as_u64().unwrap();
                duplicates += imported["duplicates"].as_u64().unwrap();
            }
            // A second import of the same file adds nothing.
            let expected = if again { (0, memories) } else { (memories, 0) };
            assert_eq!((created, duplicates), expected, "{format}");
        }
    }
    // A colleague finds them, because they are shared.
    for (query, content) in [
        ("who leads billing", "Ada Vogel: Leads the billing team"),
        ("請求書", "ledger-service: 請求書は月末に確定する"),
        ("reise nach gorlitz", "Reist im Frühling nach Görlitz"),
    ] {
        let found = call(&client, &service.url, &bob, "search_memory", json!({ "query": query }));
        let found = found.await.unwrap().unwrap();
        assert_eq!(found["hits"][0]["content"], content, "{query}: {found}");
    }
    let tagged = json!({ "tags": ["entity:ledger-service"], "type": "relation" });
    let tagged = call(&client, &service.url, &bob, "list_memories", tagged).await.unwrap().unwrap();
    assert_eq!(tagged["memories"].as_array().unwrap().len(), 2);
    let kept = json!({ "id": "4b1d7d2e-52a1-4c7b-9c59-0c7f2f6f9a11" });
    let kept = call(&client, &service.url, &bob, "get_memory", kept).await.unwrap().unwrap();
    assert_eq!(kept["createdAt"], "2026-02-03T12:05:06.789012Z");
    service.kill();
}

#[test]
fn a_file_with_wrong_lines_gives_no_page_and_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory.jsonl");
    let good = r#"{"type":"entity","name":"a","entityType":"b","observations":["c"]}"#;
    std::fs::write(&file, format!("{good}\n{{\"type\":\"entity\"}}\n{}", "no\n".repeat(30))).unwrap();
    let output = convert(folder.path(), &["--from", "graph", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
    assert!(text.contains("\nline 2: missing field `name`\nline 3: ") && text.ends_with("and 11 more\n"), "{text}");
    let output = convert(folder.path(), &["--from", "mem0", "does-not-exist"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("failed to read `does-not-exist`"));
}
