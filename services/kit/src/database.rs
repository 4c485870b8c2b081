//! A small durable database in one SQLite file, for services with little data: one writer with group commit, readers beside it. What the
//! tables mean is the service's business; whether a write is on the disk when it is acknowledged is decided here.

mod error;
mod open;
mod readers;
mod writer;

pub use error::{DatabaseError, OpenError};

use parking_lot::Mutex;
use readers::Readers;
use rusqlite::{Connection, Transaction};
use std::sync::Arc;
use writer::Writer;

/// What a URL of such a database begins with.
const SCHEME: &str = "sqlite://";

/// A database. Clones share it.
#[derive(Clone)]
pub struct Database {
    writer: Arc<Mutex<Option<Writer>>>,
    readers: Arc<Readers>,
}

impl Database {
    /// Opens the file that `url` names (`sqlite://data/x.db`, `sqlite:///var/lib/x.db`), or makes it where there is none, and brings it to
    /// the newest version: version `n` is what the first `n` of `migrations` make. A migration is never changed once it was
    /// released; the first one is also what tells our file from another program's.
    ///
    /// # Errors
    /// Tells what is wrong with the URL or the file; a file that is refused is left as it is.
    pub fn open(url: &str, migrations: &[&str]) -> Result<Self, OpenError> {
        let path = url.strip_prefix(SCHEME).filter(|path| !path.is_empty()).ok_or(OpenError::Url)?;
        let connection = open::writer(path.as_ref(), migrations)?;
        let readers = Readers::new(path.as_ref(), open::reader(path.as_ref())?);
        let writer = Writer::start(connection)
            .map_err(|error| OpenError::Unreachable { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { writer: Arc::new(Mutex::new(Some(writer))), readers: Arc::new(readers) })
    }

    /// Does a write; it is on the disk when this returns. Writes that wait together share one commit. One that fails changes nothing
    /// and harms no other. `work` is repeated alone where a shared commit fails, so it must have no effect outside the database.
    ///
    /// # Errors
    /// Tells why nothing was written; after [`DatabaseError::Closed`] nobody knows whether it was.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let answer = self.writer.lock().as_ref().ok_or(DatabaseError::Closed)?.queue(work)?;
        answer.await.map_err(|_| DatabaseError::Closed)?
    }

    /// Reads one state of the database, beside whoever else reads or writes.
    ///
    /// # Errors
    /// Tells why nothing could be read.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        Arc::clone(&self.readers).read(work).await
    }

    /// Finishes what is queued, puts the log back into the file and lets it go. Later calls are told [`DatabaseError::Closed`].
    pub async fn close(&self) {
        self.readers.close();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            let _ = tokio::task::spawn_blocking(move || writer.close()).await;
        }
    }
}
