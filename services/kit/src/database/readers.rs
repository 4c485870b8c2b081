//! Connections that read, beside the writer: a few of them, each used by one caller at a time.

use super::error::DatabaseError;
use super::open;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections that read at the same time.
const READERS: usize = 4;
/// How long a read may wait for its turn.
const TURN_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
}

impl Readers {
    pub(super) fn new(path: &Path, first: Connection) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(vec![first]), turns: Semaphore::new(READERS) }
    }

    pub(super) async fn read<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let turn = tokio::time::timeout(TURN_DEADLINE, self.turns.acquire()).await;
        let turn = turn.map_err(|_| DatabaseError::Overloaded)?.map_err(|_| DatabaseError::Closed)?;
        let readers = Arc::clone(&self);
        let reading = tokio::task::spawn_blocking(move || readers.read_now(work)).await;
        drop(turn);
        reading.unwrap_or_else(|_| Err(DatabaseError::Failed("the read panicked".to_owned())))
    }

    fn read_now<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, DatabaseError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.path).map_err(|error| DatabaseError::Failed(error.to_string()))?,
        };
        let result = in_snapshot(&connection, work).map_err(|error| DatabaseError::explain(&error));
        if !self.turns.is_closed() {
            self.idle.lock().push(connection);
        }
        result
    }

    /// Lets nobody begin any more; who reads now finishes.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle.lock().clear();
    }
}

/// Runs several statements on one state of the database.
fn in_snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let snapshot = connection.unchecked_transaction()?;
    let result = work(connection);
    drop(snapshot);
    result
}
