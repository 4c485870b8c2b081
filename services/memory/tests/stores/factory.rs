//! One factory for both stores, so that the same test runs on each.

use mcp_kit::database::postgres::PostgresTarget;
use mcp_memory::settings::StorageQuota;
use mcp_memory::store::Store;
use mcp_memory::store::postgres::PostgresStore;
use mcp_memory::store::sqlite::SqliteStore;
use mcp_testkit::{PostgresDatabase, PostgresServer};
use std::ops::Deref;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Declares a test on each store for functions that take a [`Kind`].
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name($crate::factory::Kind::Sqlite); })+
        }
        mod postgres {
            $(#[test] fn $name() { super::$name($crate::factory::Kind::Postgres); })+
        }
    };
}

/// An empty store that only this test uses.
pub(crate) struct TestStore {
    store: Arc<dyn Store>,
    place: Place,
}

enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(PostgresDatabase<'static>),
}

impl TestStore {
    pub(crate) async fn open(kind: Kind) -> Self {
        Self::with_quota(kind, StorageQuota::UNLIMITED).await
    }

    pub(crate) async fn with_quota(kind: Kind, quota: StorageQuota) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let store = SqliteStore::open(&folder.path().join("memory.db")).unwrap().with_storage_quota(quota);
                Self { store: Arc::new(store), place: Place::Sqlite(folder) }
            }
            Kind::Postgres => {
                let database = PostgresServer::shared().database();
                let store = PostgresStore::open(&target(&database)).await.unwrap().with_storage_quota(quota);
                Self { store: Arc::new(store), place: Place::Postgres(database) }
            }
        }
    }

    /// Makes the store count more terms outside of blocks than a scope may have, so that its next write moves them.
    pub(crate) fn settle(&self) {
        self.execute("UPDATE {}scope SET recent = 1000000");
    }

    /// Runs a statement as administrator and returns the number of changed rows. `{}` before a table stands for the prefix of the store.
    pub(crate) fn execute(&self, sql: &str) -> usize {
        match &self.place {
            Place::Sqlite(folder) => file(folder).execute(&sql.replace("{}", ""), []).unwrap(),
            Place::Postgres(database) => {
                let sql = sql.replace("{}", "memory_");
                database.admin(&format!("WITH done AS ({sql} RETURNING 1) SELECT count(*) FROM done")).parse().unwrap()
            }
        }
    }

    /// Returns the number that a query of the administrator selects. `{}` before a table stands for the prefix of the store.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        match &self.place {
            Place::Sqlite(folder) => file(folder).query_row(&sql.replace("{}", ""), [], |row| row.get(0)).unwrap(),
            Place::Postgres(database) => database.admin(&sql.replace("{}", "memory_")).parse().unwrap(),
        }
    }
}

impl Deref for TestStore {
    type Target = Arc<dyn Store>;

    fn deref(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

fn file(folder: &tempfile::TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.path().join("memory.db")).unwrap()
}

/// Returns the server of a database, for a store with few connections.
pub(crate) fn target(database: &PostgresDatabase<'_>) -> PostgresTarget {
    PostgresTarget::parse(&database.url(), None, 4).unwrap()
}

/// A runtime as a service has one.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
