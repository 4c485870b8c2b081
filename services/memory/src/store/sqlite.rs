//! Memories in one SQLite file: one writer with group commit, readers beside it (WAL), full text with FTS5.

mod backup;
mod error;
mod read;
mod schema;
mod search;
mod write;
mod writer;

use super::{
    Change, Found, Inserted, ListQuery, Listed, NewMemory, Reply, SearchQuery, Stats, Store, StoreError, TagFilter,
};
use crate::tenant::Tenant;
pub use backup::{backup, restore};
use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_contracts::memory::Memory;
use parking_lot::Mutex;
use rusqlite::Connection;
pub use schema::OpenError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;
use write::{Write, Written};
use writer::{WriteHandle, Writer};

/// Connections that read at the same time.
const READERS: usize = 4;

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Mutex<Option<Writer>>,
    handle: WriteHandle,
    readers: Arc<Readers>,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl SqliteStore {
    /// Opens the file at `path`, or makes it where there is none.
    ///
    /// # Errors
    /// Tells what is wrong with the file; it is never replaced by an empty one.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = schema::open(path)?;
        let unreachable =
            |error: std::io::Error| OpenError::Unreachable { path: path.display().to_string(), why: error.to_string() };
        let writer = Writer::start(connection).map_err(unreachable)?;
        let readers = Readers {
            path: path.to_owned(),
            idle: Mutex::new(vec![schema::open_reader(path)?]),
            permits: Semaphore::new(READERS),
        };
        Ok(Self { handle: writer.handle(), writer: Mutex::new(Some(writer)), readers: Arc::new(readers) })
    }

    fn read<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl FnOnce(&Connection, &Tenant) -> Result<T, StoreError> + Send + 'static,
    ) -> Reply<T> {
        let (readers, tenant) = (Arc::clone(&self.readers), tenant.clone());
        async move {
            let _permit = readers.permits.acquire().await.map_err(|_| StoreError::Closed)?;
            let idle = readers.idle.lock().pop();
            let again = Arc::clone(&readers);
            let reading = tokio::task::spawn_blocking(move || {
                let connection = match idle {
                    Some(connection) => connection,
                    None => schema::open_reader(&again.path).map_err(|error| StoreError::Failed(error.to_string()))?,
                };
                let result = work(&connection, &tenant);
                again.idle.lock().push(connection);
                result
            });
            reading.await.map_err(|error| StoreError::Failed(error.to_string()))?
        }
        .boxed()
    }

    fn write<T: Send + 'static>(
        &self,
        write: Write,
        take: impl FnOnce(Written) -> Option<T> + Send + 'static,
    ) -> Reply<T> {
        let handle = self.handle.clone();
        async move {
            let written = handle.write(write).await?;
            take(written).ok_or_else(|| StoreError::Failed("the answer belongs to another write".to_owned()))
        }
        .boxed()
    }
}

impl Store for SqliteStore {
    fn insert(&self, tenant: &Tenant, memories: Vec<NewMemory>) -> Reply<Vec<Inserted>> {
        self.write(Write::Insert(tenant.clone(), memories), |written| match written {
            Written::Inserted(inserted) => Some(inserted),
            Written::Updated(_) | Written::Deleted(_) => None,
        })
    }

    fn get(&self, tenant: &Tenant, id: String) -> Reply<Memory> {
        self.read(tenant, move |connection, tenant| read::get(connection, tenant, &id))
    }

    fn search(&self, tenant: &Tenant, query: SearchQuery) -> Reply<Vec<Found>> {
        self.read(tenant, move |connection, tenant| {
            in_snapshot(connection, || search::search(connection, tenant, &query))
        })
    }

    fn list(&self, tenant: &Tenant, query: ListQuery) -> Reply<Vec<Listed>> {
        self.read(tenant, move |connection, tenant| in_snapshot(connection, || read::list(connection, tenant, &query)))
    }

    fn update(&self, tenant: &Tenant, id: String, change: Change) -> Reply<Memory> {
        self.write(Write::Update(tenant.clone(), id, change), |written| match written {
            Written::Updated(memory) => Some(*memory),
            Written::Inserted(_) | Written::Deleted(_) => None,
        })
    }

    fn delete(&self, tenant: &Tenant, id: String) -> Reply<()> {
        self.write(Write::Delete(tenant.clone(), id), |written| match written {
            Written::Deleted(_) => Some(()),
            Written::Inserted(_) | Written::Updated(_) => None,
        })
    }

    fn count_by_tag(&self, tenant: &Tenant, tags: TagFilter) -> Reply<u64> {
        self.read(tenant, move |connection, tenant| Ok(read::own_by_tag(connection, tenant, &tags)?.len() as u64))
    }

    fn delete_by_tag(&self, tenant: &Tenant, tags: TagFilter, expected: u64) -> Reply<u64> {
        self.write(Write::DeleteByTag(tenant.clone(), tags, expected), |written| match written {
            Written::Deleted(count) => Some(count),
            Written::Inserted(_) | Written::Updated(_) => None,
        })
    }

    fn stats(&self, tenant: &Tenant) -> Reply<Stats> {
        self.read(tenant, |connection, tenant| in_snapshot(connection, || read::stats(connection, tenant)))
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let writer = self.writer.lock().take();
        let readers = Arc::clone(&self.readers);
        async move {
            readers.permits.close();
            readers.idle.lock().clear();
            if let Some(writer) = writer {
                let _ = tokio::task::spawn_blocking(move || writer.close()).await;
            }
        }
        .boxed()
    }
}

/// Runs several statements on one state of the database.
fn in_snapshot<T>(connection: &Connection, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let snapshot = connection.unchecked_transaction().map_err(|error| error::explain(&error))?;
    let result = work();
    drop(snapshot);
    result
}
