//! Errors of a database, and how each is reported to the client of a tool.

use mcp_contracts::{ErrorCode, ToolError};
use rusqlite::ErrorCode as SqliteCode;
use std::fmt::Display;
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`DATABASE_URL` must be like `sqlite://data/name.db` or `sqlite:///var/lib/mcp/name.db`")]
    Url,
    #[error(
        "the database `{path}` cannot be opened: {why}\nhint: check that its folder exists, is writable and not full"
    )]
    Unreachable { path: String, why: String },
    // A restore into a damaged file fails too, so the hint asks to move the file first.
    #[error(
        "the database `{path}` is damaged or not an SQLite database: {why}\nhint: the file was not changed; stop the service, move the file and \
         its `-wal` and `-shm` files away, then restore a backup or start with an empty database"
    )]
    Damaged { path: String, why: String },
    #[error("the database `{path}` belongs to another program\nhint: set `DATABASE_URL` to another file")]
    Foreign { path: String },
    #[error(
        "the database `{path}` has version {version}, but this release supports versions up to {newest}\nhint: run the release that wrote it, or a newer one"
    )]
    Newer { path: String, version: usize, newest: usize },
    #[error(
        "the database `{path}` cannot be migrated from version {from} to the next: {why}\nhint: the file still has version {from}, which the \
         previous release can use"
    )]
    Migration { path: String, from: usize, why: String },
}

impl OpenError {
    pub(super) fn unreachable(file: &Path, why: &impl Display) -> Self {
        Self::Unreachable { path: file.display().to_string(), why: why.to_string() }
    }

    pub(super) fn sqlite(file: &Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(SqliteCode::DatabaseCorrupt | SqliteCode::NotADatabase) => {
                Self::Damaged { path: file.display().to_string(), why: error.to_string() }
            }
            Some(_) | None => Self::unreachable(file, error),
        }
    }
}

/// Why a read or a write failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    #[error("the disk of the database is full")]
    Full,
    #[error("the database is closed")]
    Closed,
    /// Too many calls wait, or another process holds the lock of the file.
    #[error("too many calls are waiting for the database")]
    Overloaded,
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for DatabaseError {
    /// Logs failures that an operator must look at; the client does not see the details.
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // A file at its size limit (`ulimit -f`) or quota fails with an I/O error, not with `SQLITE_FULL`.
            Some(SqliteCode::DiskFull | SqliteCode::SystemIoFailure) => {
                tracing::error!(%error, "the database cannot write");
                Self::Full
            }
            Some(_) if is_busy(&error) => Self::Overloaded,
            // Interrupted because the caller has gone or the database closes; no operator has to look at that.
            Some(SqliteCode::OperationInterrupted) => Self::Closed,
            Some(_) | None => {
                tracing::error!(%error, "the database failed");
                Self::Failed(error.to_string())
            }
        }
    }
}

/// Returns true if another connection held a lock for longer than the busy timeout.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(SqliteCode::DatabaseBusy | SqliteCode::DatabaseLocked))
}

impl From<DatabaseError> for ToolError {
    fn from(error: DatabaseError) -> Self {
        let (code, hint) = match error {
            DatabaseError::Full => (ErrorCode::StorageFull, "nothing was changed; the operator must free space"),
            DatabaseError::Closed => (ErrorCode::Draining, "another instance will answer"),
            DatabaseError::Overloaded => (ErrorCode::Overloaded, "try again after a moment"),
            // SQLite's message may quote data of the request, so it goes to the log only.
            DatabaseError::Failed(_) => {
                return Self::new(ErrorCode::Internal, "the database failed; the log has the details");
            }
        };
        Self::new(code, error.to_string()).with_hint(hint)
    }
}
