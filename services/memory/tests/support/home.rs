//! Where the service of a test keeps its memories, so that the same test runs on both stores.

use crate::service::URL_FILE;
use mcp_testkit::{PostgresDatabase, PostgresServer};
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Declares a test on each store for asynchronous functions that take a [`Kind`].
#[macro_export]
macro_rules! with_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name($crate::home::Kind::Sqlite).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::$name($crate::home::Kind::Postgres).await; })+
        }
    };
}

/// The folder of a test, and its database on a server.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    _database: Option<PostgresDatabase<'static>>,
}

impl Home {
    pub(crate) fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = (kind == Kind::Postgres).then(|| PostgresServer::shared().database());
        if let Some(database) = &database {
            std::fs::write(folder.path().join(URL_FILE), database.url()).unwrap();
        }
        Self { folder, _database: database }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}
