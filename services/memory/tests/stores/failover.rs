//! The primary of a Postgres server is gone and its synchronous standby takes its place, while two instances write.

use crate::factory::runtime;
use crate::sharing::{STORED, all, insert, memory, tenant};
use mcp_kit::database::DatabaseError;
use mcp_kit::database::postgres::PostgresTarget;
use mcp_memory::store::postgres::PostgresStore;
use mcp_memory::store::{Store, StoreError};
use mcp_testkit::{PostgresServer, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const WRITERS: u64 = 8;
/// Pause of a writer after a failure.
const PAUSE: Duration = Duration::from_millis(20);

struct Writing {
    stop: AtomicBool,
    written: AtomicU64,
}

/// Writes memories, one after the other, each until it is acknowledged. Returns ids and contents.
async fn write(store: PostgresStore, writer: u64, writing: Arc<Writing>) -> Vec<(String, String)> {
    let (user, mut acknowledged) = (tenant("acme", &format!("user{writer}")), Vec::new());
    while !writing.stop.load(Ordering::Relaxed) {
        let number = acknowledged.len();
        let new = memory(format!("writer {writer} number {number}"), Some(format!("{writer}/{number}")));
        loop {
            match insert(&store, &user, new.clone()).await {
                Ok(inserted) => break acknowledged.push((inserted.id, new.content)),
                Err(StoreError::Database(
                    DatabaseError::Unconfirmed | DatabaseError::Unreachable(_) | DatabaseError::Overloaded,
                )) => tokio::time::sleep(PAUSE).await,
                Err(error) => panic!("{error}"),
            }
        }
        writing.written.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

#[test]
fn after_a_failover_every_acknowledged_write_is_at_the_new_primary_once() {
    runtime().block_on(async {
        let primary = PostgresServer::start(&[]);
        primary.admin("postgres", "CREATE DATABASE failover OWNER mcp");
        let standby = primary.standby();
        primary.admin("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.admin("postgres", "SELECT pg_reload_conf()");
        let state = "SELECT sync_state FROM pg_stat_replication";
        wait_until("the standby is synchronous", async || primary.admin("postgres", state) == "sync").await;
        // The standby comes first, so that every connection is refused by one of the two servers.
        let url = format!("postgres://mcp@127.0.0.1:{},127.0.0.1:{}/failover", standby.port(), primary.port());
        let target = PostgresTarget::parse(&url, None, 6).unwrap();
        let stores = [PostgresStore::open(&target).await.unwrap(), PostgresStore::open(&target).await.unwrap()];
        let writing = Arc::new(Writing { stop: AtomicBool::new(false), written: AtomicU64::new(0) });
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, writing) = (stores[writer as usize % 2].clone(), Arc::clone(&writing));
            writers.spawn(async move { (writer, write(store, writer, writing).await) });
        }
        let reach = async |more: u64, what: &str| {
            let before = writing.written.load(Ordering::Relaxed);
            wait_until(what, async || writing.written.load(Ordering::Relaxed) >= before + more).await;
        };
        reach(100, "writes at the primary").await;
        // It ends at once, without a checkpoint.
        drop(primary);
        standby.promote();
        reach(100, "writes at the new primary").await;
        writing.stop.store(true, Ordering::Relaxed);
        for (writer, acknowledged) in writers.join_all().await {
            let mut listed = all(&stores[0], &tenant("acme", &format!("user{writer}"))).await;
            let mut acknowledged = acknowledged;
            listed.sort();
            acknowledged.sort();
            assert_eq!(listed, acknowledged, "writer {writer}");
        }
        let bytes = standby.admin("failover", "SELECT bytes FROM memory_organisation");
        assert_eq!(bytes, standby.admin("failover", STORED), "the count of the quota");
        for store in stores {
            store.close().await;
        }
    });
}
