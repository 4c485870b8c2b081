//! The store in one SQLite file: the tables, and the blocks of the full-text index. Opening, transactions and durability are in `mcp_kit::database`.

mod erase;
mod failure;
mod idempotency;
mod index;
mod read;
mod schema;
mod search;
mod storage;
mod write;

use super::{
    Change, Inserted, ListQuery, Listed, NewMemory, SearchHit, SearchQuery, Stats, Store, StoreError, StoreFuture,
    TagFilter, TagSelection,
};
use crate::settings::StorageQuota;
use crate::store::text::Texts;
use crate::tenant::Tenant;
use crate::time::now_us;
pub use erase::erase_portion;
use failure::{Failure, commit_refusal};
use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_contracts::memory::Memory;
use mcp_kit::Readiness;
use mcp_kit::database::{Database, DatabaseError, OpenError, Turn};
use rusqlite::{Connection, Transaction};
pub use schema::SCHEMA;
use std::path::Path;

/// Memories that one transaction of `delete_by_tag` deletes.
// A deletion of 4,500 memories of 60 KiB in one transaction delayed the writes of everyone else by 9 s.
const PORTION: usize = 32;
/// Bytes of content that cost a write about as much as a row does.
const ROW_BYTES: usize = 2_048;

pub struct SqliteStore {
    database: Database,
    storage: StorageQuota,
}

impl SqliteStore {
    /// Opens the file, or creates it if it does not exist. No organisation has a storage quota.
    ///
    /// # Errors
    /// Fails if the file cannot be used; it is never replaced by an empty one.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        Ok(Self { database: SCHEMA.open(file)?, storage: StorageQuota::UNLIMITED })
    }

    #[must_use]
    pub fn with_storage_quota(self, storage: StorageQuota) -> Self {
        Self { storage, ..self }
    }

    /// Shows the state of the database in `/readyz`, and the time of its last backup in the metrics.
    pub fn watch(&self, readiness: &Readiness) {
        self.database.watch(readiness);
        self.database.watch_backups();
    }

    fn read<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl FnOnce(&Connection, &Tenant) -> Result<T, Failure> + Send + 'static,
    ) -> StoreFuture<T> {
        let (database, tenant) = (self.database.clone(), tenant.clone());
        async move {
            let owner = tenant.clone();
            database.read_for(owner.org(), move |connection| commit_refusal(work(connection, &tenant))).await?
        }
        .boxed()
    }

    /// Queues a write of about this number of rows. `work` gets the time of the write in microseconds since the epoch. It may run again if a shared commit fails.
    fn write<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        rows: usize,
        frees: bool,
        work: impl Fn(&Transaction<'_>, &Tenant, i64) -> Result<T, Failure> + Send + 'static,
    ) -> StoreFuture<T> {
        let (database, tenant, owner) = (self.database.clone(), tenant.clone(), tenant.clone());
        // The time is taken when the write runs, so that creation times have the order of the writes and not of the
        // calls.
        let work = move |transaction: &Transaction<'_>| commit_refusal(work(transaction, &tenant, now_us()));
        async move { database.write_for(Turn { owner: owner.org(), rows, frees }, work).await? }.boxed()
    }
}

/// Returns the error of a deletion that has deleted this number of memories before.
fn after(deleted: u64, error: DatabaseError) -> StoreError {
    if deleted == 0 { error.into() } else { StoreError::DeletedPart { deleted, error } }
}

impl Store for SqliteStore {
    fn insert(&self, tenant: &Tenant, memories: Vec<NewMemory>) -> StoreFuture<Vec<Inserted>> {
        let rows = memories.iter().map(|memory| 1 + memory.content.len() / ROW_BYTES).sum();
        let allowed = self.storage.allowed(tenant.plan());
        let texts = Texts::in_advance(memories.iter().map(|memory| &*memory.content));
        self.write(tenant, rows, false, move |transaction, tenant, now| {
            write::insert(transaction, tenant, allowed, &memories, &texts, now)
        })
    }

    fn get(&self, tenant: &Tenant, id: String) -> StoreFuture<Memory> {
        let (database, tenant) = (self.database.clone(), tenant.clone());
        async move {
            let owner = tenant.clone();
            let work = move |connection: &Connection| commit_refusal(read::get(connection, &tenant, &id));
            database.read_short_for(owner.org(), work).await?
        }
        .boxed()
    }

    fn search(&self, tenant: &Tenant, query: SearchQuery) -> StoreFuture<Vec<SearchHit>> {
        self.read(tenant, move |connection, tenant| search::search(connection, tenant, &query))
    }

    fn list(&self, tenant: &Tenant, query: ListQuery) -> StoreFuture<Vec<Listed>> {
        self.read(tenant, move |connection, tenant| Ok(read::list(connection, tenant, &query)?))
    }

    fn update(&self, tenant: &Tenant, id: String, change: Change) -> StoreFuture<Memory> {
        let rows = 1 + change.content.as_ref().map_or(0, |content| content.len() / ROW_BYTES);
        let allowed = self.storage.allowed(tenant.plan());
        let text = Texts::in_advance(change.content.iter().map(|content| &**content));
        self.write(tenant, rows, false, move |transaction, tenant, now| {
            write::update(transaction, tenant, allowed, &id, &change, &text, now)
        })
    }

    fn delete(&self, tenant: &Tenant, id: String) -> StoreFuture<()> {
        self.write(tenant, 1, true, move |transaction, tenant, _| write::delete(transaction, tenant, &id))
    }

    fn select_by_tag(&self, tenant: &Tenant, tags: TagFilter) -> StoreFuture<TagSelection> {
        self.read(tenant, move |connection, tenant| Ok(read::own_by_tag(connection, tenant, &tags)?.0))
    }

    fn delete_by_tag(&self, tenant: &Tenant, tags: TagFilter, expected: TagSelection) -> StoreFuture<u64> {
        let selected = self.read(tenant, move |connection, tenant| Ok(read::own_by_tag(connection, tenant, &tags)?));
        let (database, tenant) = (self.database.clone(), tenant.clone());
        async move {
            let (selection, versions) = selected.await?;
            if selection != expected {
                return Err(StoreError::SelectionChanged { actual: selection.count, expected: expected.count });
            }
            let mut deleted = 0;
            for portion in versions.chunks(PORTION) {
                let (portion, owner, tenant) = (portion.to_vec(), tenant.clone(), tenant.clone());
                let turn = Turn { owner: owner.org(), rows: portion.len(), frees: true };
                let work = move |transaction: &Transaction<'_>| write::delete_portion(transaction, &tenant, &portion);
                deleted += database.write_for(turn, work).await.map_err(|error| after(deleted, error))?;
            }
            Ok(deleted)
        }
        .boxed()
    }

    fn stats(&self, tenant: &Tenant) -> StoreFuture<Stats> {
        let allowed = self.storage.allowed(tenant.plan());
        self.read(tenant, move |connection, tenant| {
            let stored = storage::stored(connection, tenant)?;
            Ok(Stats { stored, allowed, ..read::stats(connection, tenant)? })
        })
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let database = self.database.clone();
        async move { database.close().await }.boxed()
    }
}
