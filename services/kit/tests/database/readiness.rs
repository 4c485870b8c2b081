//! What readiness says of a database.

use super::{ALL, add, commits, texts, until, url};
use mcp_kit::database::{Database, DatabaseError, Trouble};
use rusqlite::Connection;
use std::time::Duration;

/// Waits until `/readyz` names exactly these parts.
async fn until_missing(readiness: &mcp_kit::Readiness, expected: &[&str]) {
    let holds = || readiness.reply().missing == expected;
    until(&format!("`missing` is {expected:?}"), holds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_removed_is_not_ready_and_acknowledges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let readiness = mcp_kit::Readiness::default();
    database.watch(&readiness);
    database.write(|transaction| add(transaction, "kept")).await.unwrap();
    assert!(readiness.reply().ready);
    let file = folder.path().join("deep/er/notes.db");
    std::fs::rename(&file, folder.path().join("elsewhere")).unwrap();
    let refused = database.write(|transaction| add(transaction, "lost")).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Unusable { trouble: Trouble::Removed, .. }), "{refused}");
    assert_eq!(readiness.reply().missing, ["store-removed"]);
    std::fs::rename(folder.path().join("elsewhere"), &file).unwrap();
    until_missing(&readiness, &[]).await;
    assert_eq!(database.write(|transaction| add(transaction, "next")).await, Ok(2));
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_any_more_is_not_ready_without_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let readiness = mcp_kit::Readiness::default();
    database.watch(&readiness);
    database.write(|transaction| add(transaction, "kept")).await.unwrap();
    for name in ["notes.db", "notes.db-wal", "notes.db-shm"] {
        let file = folder.path().join("deep/er").join(name);
        let length = file.metadata().unwrap().len() as usize;
        use std::os::unix::fs::FileExt;
        std::fs::OpenOptions::new().write(true).open(&file).unwrap().write_all_at(&vec![0xa5; length], 0).unwrap();
    }
    until_missing(&readiness, &["store-unreadable"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_another_process_keeps_is_shown_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let readiness = mcp_kit::Readiness::default();
    database.watch(&readiness);
    let other = Connection::open(folder.path().join("deep/er/notes.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    until_missing(&readiness, &["store-locked"]).await;
    assert!(texts(&database).await.is_empty(), "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    until_missing(&readiness, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_database_is_probed_without_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    database.watch(&mcp_kit::Readiness::default());
    let before = commits(folder.path());
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(commits(folder.path()), before);
}
