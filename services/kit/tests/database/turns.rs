//! Owners take turns, so that one of them does not keep the others out.

use super::{ALL, add, endless, until, url};
use futures::future::join_all;
use mcp_kit::database::{Database, DatabaseError, Turn};
use rusqlite::{Connection, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn slow_reads_of_one_owner_leave_a_place_for_the_others_and_a_close_ends_them() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let running = Arc::new(AtomicU64::new(0));
    let mut slow = JoinSet::new();
    for _ in 0..8 {
        let (database, work) = (database.clone(), endless(&running));
        slow.spawn(async move { database.read_for("greedy", work).await });
    }
    until("three slow reads run", || running.load(Ordering::SeqCst) == 3).await;
    let one = |connection: &Connection| connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0));
    assert_eq!(database.read_for("modest", one).await, Ok(1));
    assert_eq!(database.read(one).await, Ok(1));
    assert_eq!(running.load(Ordering::SeqCst), 3);
    database.close().await;
    for ended in slow.join_all().await {
        // On a crowded machine the waiting reads may have reached their deadline.
        assert!(matches!(ended, Err(DatabaseError::Closed | DatabaseError::Overloaded)), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writes_of_one_owner_do_not_wait_behind_the_large_ones_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&url(folder.path()), &ALL).unwrap();
    let large = |number: usize| {
        let database = database.clone();
        async move {
            let turn = Turn { owner: "importer", rows: 500, frees: false };
            let work = move |transaction: &Transaction<'_>| {
                std::thread::sleep(Duration::from_millis(50));
                add(transaction, &format!("large {number}"))
            };
            database.write_for(turn, work).await.unwrap();
            Instant::now()
        }
    };
    let small = async {
        let turn = Turn { owner: "calm", ..Turn::default() };
        database.write_for(turn, |transaction| add(transaction, "small")).await.unwrap();
        Instant::now()
    };
    let (large, small) = tokio::join!(join_all((0..6).map(large)), small);
    let before = large.iter().filter(|ended| **ended < small).count();
    assert!(before <= 1, "{before} of 6 large writes ended before the small one");
}
