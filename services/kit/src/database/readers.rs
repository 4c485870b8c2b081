//! Connections that read, concurrently with the writer. Only one read uses a connection at a time.

use super::error::DatabaseError;
use super::open;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Number of connections, each with a page cache of up to 4 MiB.
// 16 MiB of cache in total, because a service must fit into 0.5 GB.
const READERS: usize = 4;
/// How long a read waits for a free connection.
const WAIT_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    pub(super) fn new(file: &Path, first: Connection) -> Self {
        // Opening the first reader at the start shows that the file can be read; further ones are opened when reads
        // overlap.
        Self { file: file.to_owned(), idle: Mutex::new(vec![first]), permits: Semaphore::new(READERS) }
    }

    pub(super) async fn read<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let permit = tokio::time::timeout(WAIT_DEADLINE, self.permits.acquire()).await;
        let permit = permit.map_err(|_| DatabaseError::Overloaded)?.map_err(|_| DatabaseError::Closed)?;
        let readers = Arc::clone(&self);
        let reading = tokio::task::spawn_blocking(move || readers.read_blocking(work)).await;
        drop(permit);
        reading.unwrap_or_else(|_| Err(DatabaseError::Failed("the read panicked".to_owned())))
    }

    fn read_blocking<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, DatabaseError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.file).map_err(|error| DatabaseError::Failed(error.to_string()))?,
        };
        let result = in_snapshot(&connection, work);
        // After `close` the connection is dropped, so that the file is closed.
        if !self.permits.is_closed() {
            self.idle.lock().push(connection);
        }
        Ok(result?)
    }

    /// Refuses new reads; running ones finish.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().clear();
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
