//! The connections for reads, which run concurrently with the writer. A connection serves one read at a time. If the caller of a read has gone, the
//! read is interrupted; it keeps its connection until it has ended.

use super::error::DatabaseError;
use super::health::Health;
use super::open;
use super::open_error::OpenError;
use super::owners::Owners;
use super::short_reads::ShortReads;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of connections, each with a page cache of up to 4 MiB.
// 16 MiB of cache in total, because a service must fit into 0.5 GB.
const READERS: usize = 4;
/// Number of connections that one owner may use at a time, so that slow reads of one owner never block those of all others.
const READERS_OF_OWNER: usize = READERS - 1;
/// How long a read waits for a free connection.
const WAIT_DEADLINE: Duration = Duration::from_secs(5);
/// Steps of SQLite's virtual machine, well below 1 ms, after which a read checks if its caller has gone.
const STEPS_BETWEEN_CHECKS: i32 = 1_000;

pub(super) struct Readers {
    file: PathBuf,
    short: ShortReads,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    owners: Owners,
    closed: Arc<AtomicBool>,
    health: Arc<Health>,
}

/// The permits of a read: that of its owner, and that of its connection.
type ReadPermits = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

/// Interrupts the read when its caller drops the future.
struct InterruptOnDrop(Arc<AtomicBool>);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Readers {
    /// # Errors
    /// Fails if the file cannot be read.
    pub(super) fn open(file: &Path, health: Arc<Health>) -> Result<Self, OpenError> {
        Ok(Self {
            file: file.to_owned(),
            short: ShortReads::open(file)?,
            // The first connection is opened at the start, to show that the file can be read. Further ones are opened when
            // reads overlap.
            idle: Mutex::new(vec![open::reader(file)?]),
            permits: Arc::new(Semaphore::new(READERS)),
            owners: Owners::new(READERS_OF_OWNER),
            closed: Arc::default(),
            health,
        })
    }

    /// Runs a read of one short statement at once on this thread. Returns `None` if it must be a [`Self::read`].
    pub(super) fn read_here<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<Result<T, DatabaseError>> {
        // A disk that hangs holds up one thread, so a runtime needs another one.
        if tokio::runtime::Handle::current().metrics().num_workers() < 2 {
            return None;
        }
        let result = self.short.run(work)?;
        if let Err(error) = &result {
            self.health.read_failed(error);
        }
        Some(result.map_err(DatabaseError::from))
    }

    /// Runs a read, at most [`READERS_OF_OWNER`] at a time for one owner.
    pub(super) async fn read<T: Send + 'static>(
        self: Arc<Self>,
        owner: Option<&str>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let places = tokio::time::timeout(WAIT_DEADLINE, self.places(owner)).await;
        let places = places.map_err(|_| DatabaseError::Overloaded)??;
        let gone = Arc::new(AtomicBool::new(false));
        let _interrupt = InterruptOnDrop(Arc::clone(&gone));
        let reading = tokio::task::spawn_blocking(move || {
            // Moved into the thread, because a read that is no longer awaited still uses its connection until it ends.
            let _places = places;
            self.read_blocking(work, gone)
        });
        reading.await.unwrap_or_else(|_| Err(DatabaseError::Failed("the read panicked".to_owned())))
    }

    async fn places(&self, owner: Option<&str>) -> Result<ReadPermits, DatabaseError> {
        let acquire =
            |permits: Arc<Semaphore>| async move { permits.acquire_owned().await.map_err(|_| DatabaseError::Closed) };
        // The owner's permit comes first: a read that waits for it must not occupy a connection.
        let own = match owner {
            Some(owner) => Some(acquire(self.owners.permits_of(owner)).await?),
            None => None,
        };
        Ok((own, acquire(Arc::clone(&self.permits)).await?))
    }

    fn read_blocking<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
        gone: Arc<AtomicBool>,
    ) -> Result<T, DatabaseError> {
        // No caller receives this error, because the caller has gone.
        if gone.load(Ordering::Relaxed) {
            return Err(DatabaseError::Closed);
        }
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.file).map_err(|error| DatabaseError::Failed(error.to_string()))?,
        };
        let closed = Arc::clone(&self.closed);
        let must_end = move || gone.load(Ordering::Relaxed) || closed.load(Ordering::Relaxed);
        // `sqlite3_interrupt` would not do: it ends only the statement that is running at that moment.
        connection.progress_handler(STEPS_BETWEEN_CHECKS, Some(must_end))?;
        let result = in_snapshot(&connection, work);
        connection.progress_handler(0, None::<fn() -> bool>)?;
        // After `close` the connection is dropped, so that the file is closed. A connection whose transaction could not end is
        // dropped too.
        if !self.permits.is_closed() && connection.is_autocommit() {
            self.idle.lock().push(connection);
        }
        if let Err(error) = &result {
            self.health.read_failed(error);
        }
        Ok(result?)
    }

    /// Refuses new reads and interrupts running ones.
    pub(super) fn close(&self) {
        self.permits.close();
        self.closed.store(true, Ordering::Relaxed);
        self.idle.lock().clear();
        self.short.close();
    }
}

/// Runs a read in a transaction, so that all its statements see the same state, whatever is committed between them.
fn in_snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // `unchecked`, because `work` also borrows the connection. Dropping the transaction rolls it back; a read has
    // nothing to commit.
    let _snapshot = connection.unchecked_transaction()?;
    work(connection)
}
