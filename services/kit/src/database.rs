//! The databases of services: [`postgres`] on a server, and a durable database in one SQLite file. The SQLite database has one writer thread
//! with group commit, concurrent readers (WAL mode), migrations, backups and its state in `/readyz`. A service defines its tables and queries.
//! This module decides which files are accepted and when a write is durable.

mod backup;
mod backup_time;
mod database_file;
mod error;
mod health;
mod open;
mod open_error;
mod owners;
mod portions;
pub mod postgres;
mod queue;
mod readers;
mod short_reads;
mod trouble;
mod writer;

pub use backup::BackupError;
pub use error::DatabaseError;
pub use open_error::OpenError;
pub use portions::Portions;
pub use queue::Turn;
pub use trouble::Trouble;

use crate::readiness::Readiness;
use database_file::DatabaseFile;
use health::{Health, Probe};
use parking_lot::Mutex;
use postgres::PostgresTarget;
use readers::Readers;
use rusqlite::{Connection, Transaction};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use writer::{Work, Writer};

const SCHEME: &str = "sqlite://";

/// The tables of a service, and the id that marks its files.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// `PRAGMA application_id` of the service's files, never 0. A file with another id is refused.
    pub application_id: i32,
    /// The first `n` migrations create version `n` (`PRAGMA user_version`). Never change a released migration.
    pub migrations: &'a [&'a str],
    /// Runs in the transaction of each migration after its statements, with the version that it created: for what SQL cannot compute.
    pub on_migration: fn(&Transaction<'_>, usize) -> rusqlite::Result<()>,
    /// Receives the number of writes in each transaction and the time that the transaction took.
    // Not a closure, so that a service can declare its schema as a constant.
    pub on_commit: fn(usize, Duration),
}

impl<'a> Schema<'a> {
    /// Derives the application id from the first migration, because that one never changes.
    pub fn new(migrations: &'a [&'a str]) -> Self {
        let digest = Sha256::digest(migrations.first().copied().unwrap_or_default());
        let id = i32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        // 0 is SQLite's default, so it marks nothing.
        Self { application_id: (id & i32::MAX) | 1, migrations, on_migration: |_, _| Ok(()), on_commit: |_, _| {} }
    }

    /// Opens the file, creates it if it does not exist, and runs the missing migrations.
    ///
    /// # Errors
    /// Fails if the file is damaged, of another program or of a newer release; such a file is not changed.
    pub fn open(&self, file: &Path) -> Result<Database, OpenError> {
        let connection = open::writer(file, self)?;
        let health = Arc::new(Health::default());
        let readers = Readers::open(file, Arc::clone(&health))?;
        let place = Arc::new(DatabaseFile::new(file));
        let work =
            Work { connection, place: Arc::clone(&place), health: Arc::clone(&health), on_commit: self.on_commit };
        let writer = Writer::start(work).map_err(|error| OpenError::unreachable(file, &error))?;
        Ok(Database {
            writer: Arc::new(Mutex::new(Some(writer))),
            readers: Arc::new(readers),
            health,
            place,
            application_id: self.application_id,
            probes: Arc::default(),
        })
    }
}

/// Returns the file that is named by a URL such as `sqlite://data/x.db` or `sqlite:///var/lib/x.db`.
///
/// # Errors
/// Fails if the URL has another scheme or no path.
pub fn file_of(url: &str) -> Result<PathBuf, OpenError> {
    if PostgresTarget::is_named_by(url) {
        return Err(OpenError::OnlyFile);
    }
    url.strip_prefix(SCHEME).filter(|path| !path.is_empty()).map(PathBuf::from).ok_or(OpenError::Url)
}

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Database {
    writer: Arc<Mutex<Option<Writer>>>,
    readers: Arc<Readers>,
    health: Arc<Health>,
    place: Arc<DatabaseFile>,
    application_id: i32,
    probes: Arc<Mutex<JoinSet<()>>>,
}

impl Database {
    /// Opens the file that `url` names with [`Schema::new`] of `migrations`.
    ///
    /// # Errors
    /// Fails as [`file_of`] and [`Schema::open`] do.
    pub fn open(url: &str, migrations: &[&str]) -> Result<Self, OpenError> {
        Schema::new(migrations).open(&file_of(url)?)
    }

    /// Shows in `/readyz` whether the database can be used, until it is closed.
    pub fn watch(&self, readiness: &Readiness) {
        let probe = Probe {
            writer: Arc::clone(&self.writer),
            health: Arc::clone(&self.health),
            place: Arc::clone(&self.place),
            application_id: self.application_id,
        };
        self.probes.lock().spawn(probe.run(readiness.clone()));
    }

    /// Publishes the time of the last backup, until the database is closed. Only for a service that has the command `backup`.
    pub fn watch_backups(&self) {
        let publishing = backup_time::publish(self.place.file().to_owned(), Arc::clone(&self.writer));
        self.probes.lock().spawn(publishing);
    }

    /// Runs a write; it is durable when this returns. Writes that wait at the same time share a commit. A failing write changes nothing and
    /// does not affect the others. If a shared commit fails, `work` runs again, so it must not have effects outside the database.
    ///
    /// # Errors
    /// If this fails, nothing was written. The exception is [`DatabaseError::Unconfirmed`], after which the write may be durable.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.write_for(Turn::default(), work).await
    }

    /// Runs a write as [`Self::write`] does, in turn with those of other owners.
    ///
    /// # Errors
    /// Fails as [`Self::write`] does.
    pub async fn write_for<T: Send + 'static>(
        &self,
        turn: Turn<'_>,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        // The lock is held only while the write is queued, not while it waits for its commit.
        let result = self.writer.lock().as_ref().ok_or(DatabaseError::Closed)?.enqueue(turn, work)?;
        // The thread of the writer has ended, perhaps after the commit.
        result.await.map_err(|_| DatabaseError::Unconfirmed)?
    }

    /// Runs a read on one snapshot of the database, concurrently with writes and other reads. It is for the service's own work; a read for a
    /// caller is a [`Self::read_for`].
    ///
    /// # Errors
    /// Fails if no reader is free within the deadline, SQLite fails or the database is closed.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        Arc::clone(&self.readers).read(None, work).await
    }

    /// Runs a read as [`Self::read`] does, for an owner whose reads never use all readers at a time. If the future is dropped, the read is
    /// interrupted.
    ///
    /// # Errors
    /// Fails as [`Self::read`] does.
    pub async fn read_for<T: Send + 'static>(
        &self,
        owner: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        Arc::clone(&self.readers).read(Some(owner), work).await
    }

    /// Runs a read of one short statement for an owner, such as that of a row by its key: on this thread if it is free for that, else as
    /// [`Self::read_for`]. `work` may run twice.
    ///
    /// # Errors
    /// Fails as [`Self::read`] does.
    pub async fn read_short_for<T: Send + 'static>(
        &self,
        owner: &str,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        match self.readers.read_here(&work) {
            Some(result) => result,
            None => self.read_for(owner, work).await,
        }
    }

    /// Interrupts the reads, finishes the queued writes, moves the WAL into the file and closes it. Later calls return [`DatabaseError::Closed`].
    pub async fn close(&self) {
        let mut probes = std::mem::take(&mut *self.probes.lock());
        probes.shutdown().await;
        // Readers first: the checkpoint cannot empty the WAL while a read uses it.
        self.readers.close();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            // Blocks until the thread of the writer ends, which a thread of the runtime must not do.
            let _ = tokio::task::spawn_blocking(move || writer.close()).await;
        }
    }
}
