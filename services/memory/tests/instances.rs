//! Two processes of the service share one Postgres database: a kill of one loses no acknowledged write, and what cannot be used is refused at the start.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/service.rs"]
mod service;

use mcp_contracts::env;
use mcp_testkit::{PostgresDatabase, PostgresServer};
use parking_lot::Mutex;
use serde_json::json;
use service::{PATIENCE, Service, URL_FILE, call, client, content_of, store, token};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const WRITERS: usize = 8;

fn use_database(folder: &Path, database: &PostgresDatabase<'_>) {
    std::fs::write(folder.join(URL_FILE), database.url()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_one_instance_loses_no_acknowledged_write_and_the_other_settles_its_keys() {
    let (folder, database) = (tempfile::tempdir().unwrap(), PostgresServer::shared().database());
    use_database(folder.path(), &database);
    // Together, so that both find an empty database.
    let (one, two) = tokio::join!(Service::start(folder.path()), Service::start(folder.path()));
    let (token, client) = (token(), client());
    let acknowledged: Arc<Mutex<Vec<(String, String, String)>>> = Arc::default();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (url, token, client, acknowledged) =
            (one.url.clone(), token.clone(), client.clone(), Arc::clone(&acknowledged));
        writers.spawn(async move {
            for number in 0.. {
                let (content, key) = (format!("writer {writer} number {number}"), format!("w{writer}-{number}"));
                let arguments = json!({ "content": content, "idempotencyKey": key });
                let Some(Ok(stored)) = call(&client, &url, &token, "store_memory", arguments).await else { return };
                acknowledged.lock().push((stored["id"].as_str().unwrap().to_owned(), content, key));
            }
        });
    }
    let since = Instant::now();
    while acknowledged.lock().len() < 50 {
        assert!(since.elapsed() < PATIENCE, "the writes were not acknowledged");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    one.kill();
    writers.join_all().await;
    let acknowledged = acknowledged.lock().clone();
    for (id, content, key) in &acknowledged {
        assert_eq!(content_of(&client, &two.url, &token, id).await.as_ref(), Some(content));
        let arguments = json!({ "content": content, "idempotencyKey": key });
        let again = call(&client, &two.url, &token, "store_memory", arguments).await.unwrap().unwrap();
        assert_eq!(again["id"].as_str(), Some(id.as_str()));
    }
    let stats = call(&client, &two.url, &token, "memory_stats", json!({})).await.unwrap().unwrap();
    // What was in flight may be there as well, once for each writer.
    let private = stats["private"].as_u64().unwrap() as usize;
    assert!((acknowledged.len()..=acknowledged.len() + WRITERS).contains(&private), "{private} {}", acknowledged.len());
    two.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_ends_cleanly_and_the_next_one_finds_its_memories() {
    let (folder, database) = (tempfile::tempdir().unwrap(), PostgresServer::shared().database());
    use_database(folder.path(), &database);
    let mut service = Service::start(folder.path()).await;
    let id = store(&client(), &service.url, &token(), "kept by the server").await;
    let process = nix::unistd::Pid::from_raw(service.child.id().cast_signed());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
    let service = Service::start(folder.path()).await;
    let content = content_of(&client(), &service.url, &token(), &id).await;
    assert_eq!(content.as_deref(), Some("kept by the server"));
    service.kill();
}

#[test]
fn an_unusable_url_is_reported_once_with_a_hint_and_never_with_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let run = |url: &str, words: &[&str]| -> Output {
        let mut command = Service::command(folder.path());
        command.env(env::DATABASE_URL, url).env(env::LISTEN_ADDR, "127.0.0.1:0").args(words);
        command.stderr(Stdio::piped()).output().unwrap()
    };
    let cases: [(&str, &[&str], i32, &str); 5] = [
        ("postgre://mcp:hunter2@127.0.0.1/x", &[], 64, "`DATABASE_URL`: is neither a file"),
        ("postgres://mcp:hunter2@127.0.0.1", &[], 64, "names no host or no database"),
        ("postgres://mcp:hunter2@127.0.0.1/x?sslmod=require", &[], 64, "sslmod"),
        ("postgres://mcp:hunter2@127.0.0.1:1/x", &[], 1, "cannot be reached"),
        ("postgres://mcp:hunter2@127.0.0.1:1/x", &["backup", "file"], 1, "pg_dump"),
    ];
    for (url, words, code, part) in cases {
        let output = run(url, words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{url}: {error}");
        assert!(error.contains(part) && error.contains("hint:") && !error.contains("hunter2"), "{url}: {error}");
    }
}
