//! The store on a Postgres server, which several instances share. Connections, transactions and readiness are in `mcp_kit::database::postgres`.

mod change;
mod condition;
mod erase;
mod failure;
mod idempotency;
mod identity;
mod index;
mod insert;
mod ledger;
mod pending;
mod read;
mod rows;
mod schema;
mod scope;
mod search;
mod write;

use super::{
    Change, Inserted, ListQuery, Listed, NewMemory, SearchHit, SearchQuery, Stats, Store, StoreError, StoreFuture,
    TagFilter, TagSelection,
};
use crate::settings::StorageQuota;
use crate::store::text;
use crate::tenant::Tenant;
use failure::{Failure, commit_refusal};
use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_contracts::memory::Memory;
use mcp_contracts::metric;
use mcp_kit::database::DatabaseError;
use mcp_kit::database::postgres::{Lanes, Postgres, PostgresOpenError, PostgresTarget, PostgresTransaction};
use mcp_kit::{Erase, Readiness};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use write::{Kind, Write, Written};

/// Memories that one transaction of `delete_by_tag` deletes.
const PORTION: usize = 32;
/// Bytes of content that cost a write about as much as a row does.
const ROW_BYTES: usize = 2_048;

/// The store. Clones share its connections.
#[derive(Clone)]
pub struct PostgresStore {
    database: Postgres,
    writes: Lanes<Job>,
    storage: StorageQuota,
}

/// A write with its caller.
struct Job {
    write: Write,
    caller: oneshot::Sender<Result<Written, StoreError>>,
}

impl PostgresStore {
    /// Connects, and creates or migrates the tables. No organisation has a storage quota.
    ///
    /// # Errors
    /// Fails as [`Postgres::open`] does.
    pub async fn open(target: &PostgresTarget) -> Result<Self, PostgresOpenError> {
        let database = Postgres::open(target, schema::SCHEMA).await?;
        let writer = database.clone();
        let writes = Lanes::new(move |org, jobs| run(writer.clone(), org, jobs).boxed());
        Ok(Self { database, writes, storage: StorageQuota::UNLIMITED })
    }

    #[must_use]
    pub fn with_storage_quota(self, storage: StorageQuota) -> Self {
        Self { storage, ..self }
    }

    /// Shows the state of the database in `/readyz`.
    pub fn watch(&self, readiness: &Readiness) {
        self.database.watch(readiness);
    }

    /// Erases what `erase` names, in transactions of their own. Returns the number of deleted rows.
    ///
    /// # Errors
    /// Fails if the server does; what was erased before stays erased.
    pub async fn erase(&self, erase: &Erase) -> Result<u64, DatabaseError> {
        let mut total = 0;
        loop {
            let erasing = self.database.write(|transaction| {
                let erase = erase.clone();
                async move { erase::portion(transaction, &erase).await }.boxed()
            });
            match erasing.await? {
                0 => return Ok(total),
                rows => total += rows,
            }
        }
    }

    fn read<T, Work>(&self, tenant: &Tenant, work: Work) -> StoreFuture<T>
    where
        T: Send + 'static,
        Work: for<'t> Fn(&'t PostgresTransaction<'t>, Tenant) -> BoxFuture<'t, Result<T, Failure>>
            + Send
            + Sync
            + 'static,
    {
        let (database, tenant) = (self.database.clone(), tenant.clone());
        async move {
            let owner = tenant.clone();
            let read = database.read(owner.org(), |transaction| {
                let reading = work(transaction, tenant.clone());
                async move { commit_refusal(reading.await) }.boxed()
            });
            read.await?
        }
        .boxed()
    }

    /// Queues a write of about this number of rows.
    fn write(&self, tenant: &Tenant, rows: usize, kind: Kind) -> BoxFuture<'static, Result<Written, StoreError>> {
        let write = Write { tenant: tenant.clone(), allowed: self.storage.allowed(tenant.plan()), kind };
        let writes = self.writes.clone();
        async move {
            let (caller, result) = oneshot::channel();
            let owner = write.tenant.clone();
            writes.push(owner.org(), rows, Job { write, caller })?;
            // The task of the lane has ended, perhaps after the commit.
            result.await.map_err(|_| DatabaseError::Unconfirmed)?
        }
        .boxed()
    }
}

/// Runs a group of writes of an organisation, and reports to their callers.
async fn run(database: Postgres, org: String, mut jobs: Vec<Job>) {
    // A caller that has gone before its write began gets nothing, and the others do not wait for it.
    jobs.retain(|job| !job.caller.is_closed());
    let (writes, callers): (Vec<Write>, Vec<_>) = jobs.into_iter().map(|job| (job.write, job.caller)).unzip();
    let mut group = Vec::with_capacity(writes.len());
    for mut write in writes {
        if let Kind::Insert { memories, texts } = &mut write.kind {
            // Only now, because the terms of a text take several times its size: those of all waiting imports would fill the memory.
            for memory in memories {
                texts.push(text::read(&memory.content).await);
            }
        }
        group.push(Arc::new(write));
    }
    let results = match run_together(&database, &org, group.clone()).await {
        // One of them may be the cause, such as a value that the server refuses. A commit whose outcome is unknown must not run again.
        Err(DatabaseError::Failed(_) | DatabaseError::Full) if group.len() > 1 => {
            let mut results = Vec::with_capacity(group.len());
            for write in group {
                results.extend(one_each(run_together(&database, &org, vec![write]).await, 1));
            }
            results
        }
        results => one_each(results, group.len()),
    };
    for (caller, result) in callers.into_iter().zip(results) {
        // The caller may have gone.
        let _ = caller.send(result);
    }
}

type Results = Vec<Result<Written, StoreError>>;

/// Returns a result for each of `number` writes: its own, or the error of all.
fn one_each(results: Result<Results, DatabaseError>, number: usize) -> Results {
    results.unwrap_or_else(|error| (0..number).map(|_| Err(error.clone().into())).collect())
}

/// Runs writes in one transaction.
async fn run_together(database: &Postgres, org: &str, writes: Vec<Arc<Write>>) -> Result<Results, DatabaseError> {
    let (begin, number) = (Instant::now(), writes.len());
    let (org, writes): (Arc<str>, Arc<[Arc<Write>]>) = (Arc::from(org), Arc::from(writes));
    let writing = database.write(|transaction| {
        let (org, writes) = (Arc::clone(&org), Arc::clone(&writes));
        async move { write::apply(transaction, &org, &writes).await }.boxed()
    });
    let results = writing.await?;
    metrics::histogram!(metric::MEMORY_COMMIT_ROWS).record(number as f64);
    metrics::histogram!(metric::MEMORY_COMMIT_SECONDS).record(begin.elapsed());
    Ok(results)
}

/// Returns the error of a deletion that has deleted this number of memories before.
fn after(deleted: u64, error: StoreError) -> StoreError {
    match error {
        StoreError::Database(error) if deleted > 0 => StoreError::DeletedPart { deleted, error },
        error => error,
    }
}

impl Store for PostgresStore {
    fn insert(&self, tenant: &Tenant, memories: Vec<NewMemory>) -> StoreFuture<Vec<Inserted>> {
        let rows = memories.iter().map(|memory| 1 + memory.content.len() / ROW_BYTES).sum();
        let write = self.write(tenant, rows, Kind::Insert { memories, texts: Vec::new() });
        async move { write.await?.inserted() }.boxed()
    }

    fn get(&self, tenant: &Tenant, id: String) -> StoreFuture<Memory> {
        self.read(tenant, move |transaction, tenant| {
            let id = id.clone();
            async move { read::get(transaction, &tenant, &id).await }.boxed()
        })
    }

    fn search(&self, tenant: &Tenant, query: SearchQuery) -> StoreFuture<Vec<SearchHit>> {
        let query = Arc::new(query);
        self.read(tenant, move |transaction, tenant| {
            let query = Arc::clone(&query);
            async move { search::search(transaction, &tenant, &query).await }.boxed()
        })
    }

    fn list(&self, tenant: &Tenant, query: ListQuery) -> StoreFuture<Vec<Listed>> {
        let query = Arc::new(query);
        self.read(tenant, move |transaction, tenant| {
            let query = Arc::clone(&query);
            async move { Ok(read::list(transaction, &tenant, &query).await?) }.boxed()
        })
    }

    fn update(&self, tenant: &Tenant, id: String, change: Change) -> StoreFuture<Memory> {
        let rows = 1 + change.content.as_ref().map_or(0, |content| content.len() / ROW_BYTES);
        let write = self.write(tenant, rows, Kind::Update { id, change });
        async move { write.await?.updated() }.boxed()
    }

    fn delete(&self, tenant: &Tenant, id: String) -> StoreFuture<()> {
        let write = self.write(tenant, 1, Kind::Delete { id });
        async move { write.await?.deleted().map(drop) }.boxed()
    }

    fn select_by_tag(&self, tenant: &Tenant, tags: TagFilter) -> StoreFuture<TagSelection> {
        self.read(tenant, move |transaction, tenant| {
            let tags = tags.clone();
            async move { Ok(read::own_by_tag(transaction, &tenant, &tags).await?.0) }.boxed()
        })
    }

    fn delete_by_tag(&self, tenant: &Tenant, tags: TagFilter, expected: TagSelection) -> StoreFuture<u64> {
        let selected = self.read(tenant, move |transaction, tenant| {
            let tags = tags.clone();
            async move { Ok(read::own_by_tag(transaction, &tenant, &tags).await?) }.boxed()
        });
        let (store, tenant) = (self.clone(), tenant.clone());
        async move {
            let (selection, versions) = selected.await?;
            if selection != expected {
                return Err(StoreError::SelectionChanged { actual: selection.count, expected: expected.count });
            }
            let mut deleted = 0;
            for portion in versions.chunks(PORTION) {
                let write = store.write(&tenant, portion.len(), Kind::DeletePortion(portion.to_vec()));
                deleted += write.await.and_then(Written::deleted).map_err(|error| after(deleted, error))?;
            }
            Ok(deleted)
        }
        .boxed()
    }

    fn stats(&self, tenant: &Tenant) -> StoreFuture<Stats> {
        let allowed = self.storage.allowed(tenant.plan());
        self.read(tenant, move |transaction, tenant| {
            async move { Ok(Stats { allowed, ..read::stats(transaction, &tenant).await? }) }.boxed()
        })
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let (database, writes) = (self.database.clone(), self.writes.clone());
        async move {
            writes.close().await;
            database.close().await;
        }
        .boxed()
    }
}
