//! A database of an older release is migrated with all its memories, in place and from a backup.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/service.rs"]
mod service;

use serde_json::{Value, json};
use service::{Service, call, client, content_of, database, store, token, token_of};
use std::path::Path;

/// Returns the memories in the file of version 1, as the release that wrote the file recorded them.
fn written_by_version_one() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../fixtures/databases/memory-v1.json")).unwrap()
}

fn version_one(path: &Path) {
    std::fs::write(path, include_bytes!("../../../fixtures/databases/memory-v1.db")).unwrap();
}

fn version_of(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

async fn assert_has_memories_of_version_one(service: &Service) {
    let client = client();
    for memory in written_by_version_one() {
        let text = |name: &str| memory[name].as_str().unwrap().to_owned();
        let token = token_of(&text("org"), &text("user"), &text("workspace"));
        let reply = call(&client, &service.url, &token, "get_memory", json!({ "id": memory["id"] })).await.unwrap();
        let Some(content) = memory["content"].as_str() else {
            assert_eq!(reply.unwrap_err()["code"], "not_found");
            continue;
        };
        let stored = reply.unwrap();
        assert_eq!(
            (&stored["content"], &stored["version"], &stored["type"]),
            (&memory["content"], &memory["version"], &memory["type"])
        );
        let word = content.split_whitespace().max_by_key(|word| word.len()).unwrap();
        let hits =
            call(&client, &service.url, &token, "search_memory", json!({ "query": word })).await.unwrap().unwrap();
        assert!(hits["hits"].as_array().unwrap().iter().any(|hit| hit["id"] == memory["id"]), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_version_one_is_migrated_with_all_its_memories() {
    let folder = tempfile::tempdir().unwrap();
    version_one(&database(folder.path()));
    assert_eq!(version_of(&database(folder.path())), 1);
    // Both of two instances that start at once can use it.
    let (one, two) = tokio::join!(Service::start(folder.path()), Service::start(folder.path()));
    assert_has_memories_of_version_one(&one).await;
    assert_eq!(version_of(&database(folder.path())), 6);
    let (client, cy) = (client(), token_of("acme", "cy", "default"));
    let items = call(&client, &one.url, &cy, "list_memories", json!({ "type": "action_item" }));
    assert_eq!(items.await.unwrap().unwrap()["memories"].as_array().unwrap().len(), 2);
    // An idempotency key that the older release stored still returns the first reply.
    let refund = json!({ "content": "Refunds above 500 euros need a second person", "tags": ["refund"], "type": "note", "visibility": "private",
        "metadata": { "ticket": 7 }, "idempotencyKey": "refund-1" });
    let again =
        call(&client, &two.url, &token_of("acme", "bob", "billing"), "store_memory", refund).await.unwrap().unwrap();
    assert!(written_by_version_one().iter().any(|memory| memory["id"] == again["id"]));
    one.kill();
    assert_has_memories_of_version_one(&two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_version_one_is_restored_into_a_running_service() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path()).await;
    let (token, client) = (token(), client());
    let newer = store(&client, &service.url, &token, "written before the restore").await;
    let copy = folder.path().join("old-backup.db");
    version_one(&copy);
    let restored = Service::command(folder.path()).arg("restore").arg(&copy).output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_has_memories_of_version_one(&service).await;
    assert_eq!(content_of(&client, &service.url, &token, &newer).await, None);
    assert_eq!((version_of(&database(folder.path())), version_of(&copy)), (6, 1));
    assert!(!folder.path().join("memory.db.restoring").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_without_a_file_create_one_together() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let start = || Service::start(folder.path());
        let services: [Service; 3] = tokio::join!(start(), start(), start()).into();
        let (token, client) = (token(), client());
        let id = store(&client, &services[0].url, &token, "written through one").await;
        for service in services {
            assert_eq!(content_of(&client, &service.url, &token, &id).await.as_deref(), Some("written through one"));
            service.kill();
        }
    }
}
