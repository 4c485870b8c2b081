//! Errors of a database, and how each is reported to the client of a tool.

use super::postgres::PostgresOpenError;
use super::trouble::Trouble;
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
    #[error(
        "`DATABASE_URL` names a Postgres server, which only the memory service supports\nhint: use a file, such as `sqlite://data/name.db`"
    )]
    OnlyFile,
    #[error(transparent)]
    Postgres(#[from] PostgresOpenError),
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

/// Why a read or a write failed. After every error but [`DatabaseError::Unconfirmed`] nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    #[error("the disk of the database is full")]
    Full,
    #[error("the database is closed")]
    Closed,
    #[error("too many calls are waiting for the database")]
    Overloaded,
    #[error("another process holds the lock of the database")]
    Locked,
    #[error("the database cannot be used ({}): {why}", .trouble.name())]
    Unusable { trouble: Trouble, why: String },
    #[error("the database server cannot be reached, or accepts no writes: {0}")]
    Unreachable(String),
    #[error("the database failed: {0}")]
    Failed(String),
    #[error("the database failed while it stored the write")]
    Unconfirmed,
}

impl DatabaseError {
    /// Returns what the error says about the database as a whole.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Full => Some(Trouble::Full),
            Self::Locked => Some(Trouble::Locked),
            Self::Unusable { trouble, .. } => Some(*trouble),
            Self::Unreachable(_) => Some(Trouble::Unreachable),
            Self::Unconfirmed => Some(Trouble::Unreadable),
            Self::Closed | Self::Overloaded | Self::Failed(_) => None,
        }
    }
}

impl From<rusqlite::Error> for DatabaseError {
    /// Logs failures that an operator must look at; the client does not see the details.
    fn from(error: rusqlite::Error) -> Self {
        // Interrupted because the caller has gone or the database closes; no operator has to look at that.
        if error.sqlite_error_code() == Some(SqliteCode::OperationInterrupted) {
            return Self::Closed;
        }
        match Trouble::of(&error) {
            Some(Trouble::Full) => {
                tracing::error!(%error, "the database cannot write");
                Self::Full
            }
            Some(Trouble::Locked) => Self::Locked,
            Some(trouble) => {
                tracing::error!(%error, "the database cannot be used");
                Self::Unusable { trouble, why: error.to_string() }
            }
            None => {
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
    /// The hint says whether a write may have been stored, so that its client knows whether to repeat it.
    fn from(error: DatabaseError) -> Self {
        let (code, hint) = match error {
            DatabaseError::Full => {
                (ErrorCode::StorageFull, "nothing was changed; delete something, or let the operator free space")
            }
            DatabaseError::Closed => (ErrorCode::Draining, "nothing was changed; another instance will answer"),
            DatabaseError::Overloaded | DatabaseError::Locked => {
                (ErrorCode::Overloaded, "nothing was changed; try again after a moment")
            }
            DatabaseError::Unreachable(_) => {
                return Self::new(ErrorCode::DependencyUnavailable, "the database does not answer")
                    .with_hint("nothing was changed; try again after a moment");
            }
            // SQLite's message may quote data of the request, so it goes to the log only.
            DatabaseError::Unusable { .. } | DatabaseError::Failed(_) => {
                return Self::new(ErrorCode::Internal, "the database failed; the log has the details")
                    .with_hint("nothing was changed");
            }
            DatabaseError::Unconfirmed => (
                ErrorCode::Internal,
                "the write may have been stored; read the state, or repeat the call with the same idempotency key",
            ),
        };
        Self::new(code, error.to_string()).with_hint(hint)
    }
}
