//! A change of a whole database by an administrator, in portions between which a running service can write.

use super::Schema;
use super::open;
use super::open_error::OpenError;
use rusqlite::{Transaction, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// Pause between two portions: a process that wants the lock asks again after some milliseconds, and gets no turn from SQLite.
const PAUSE: Duration = Duration::from_millis(20);

/// What a change in portions has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portions {
    pub changes: usize,
    /// True if the old contents are gone from the write-ahead log too. Otherwise they are until its next checkpoint.
    pub is_log_empty: bool,
}

impl Schema<'_> {
    /// Runs `portion`, each time in a transaction of its own, until it returns 0. What the earlier portions changed stays if a later one fails.
    ///
    /// # Errors
    /// Fails if the database cannot be opened or changed.
    pub fn in_portions(
        &self,
        file: &Path,
        mut portion: impl FnMut(&Transaction<'_>) -> rusqlite::Result<usize>,
    ) -> Result<Portions, OpenError> {
        if !file.exists() {
            return Err(OpenError::unreachable(file, &"it does not exist"));
        }
        let sqlite = |error: rusqlite::Error| OpenError::sqlite(file, &error);
        let mut connection = open::writer(file, self)?;
        let mut changes = 0;
        loop {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
            let changed = portion(&transaction).map_err(sqlite)?;
            transaction.commit().map_err(sqlite)?;
            if changed == 0 {
                break;
            }
            changes += changed;
            std::thread::sleep(PAUSE);
        }
        // The first column is 1 if a reader or another writer kept the checkpoint from its end.
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: i64 = connection.query_row(checkpoint, [], |row| row.get(0)).map_err(sqlite)?;
        Ok(Portions { changes, is_log_empty: is_busy == 0 })
    }
}
