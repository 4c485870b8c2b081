//! What can be wrong with a database, and what a caller is told of it.

use mcp_contracts::{ErrorCode, ToolError};

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no file.
    #[error("`DATABASE_URL` must be like `sqlite://data/name.db` or `sqlite:///var/lib/mcp/name.db`")]
    Url,
    /// The folder or file cannot be reached.
    #[error(
        "the database `{path}` cannot be opened: {why}\nhint: check that its folder exists, is writable and not full"
    )]
    Unreachable {
        /// The file.
        path: String,
        /// What SQLite or the system says.
        why: String,
    },
    /// It is no database, or a damaged one.
    #[error(
        "the database `{path}` is damaged or no SQLite database: {why}\nhint: it was left as it is; put a copy in its place, or move it \
         away to begin with an empty one"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What SQLite says.
        why: String,
    },
    /// It belongs to another program or another service.
    #[error("the database `{path}` belongs to another program\nhint: set `DATABASE_URL` to a file of its own")]
    Foreign {
        /// The file.
        path: String,
    },
    /// A newer release wrote it.
    #[error(
        "the database `{path}` has version {found}, this release knows {known}\nhint: run the release that wrote it, or a newer one"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: usize,
        /// The newest version that is known.
        known: usize,
    },
    /// A step to a newer version did not go through; the file has the version before it.
    #[error(
        "the database `{path}` cannot be brought from version {from} to the next: {why}\nhint: it was left at version {from}, which the \
         release before this one can use"
    )]
    Migration {
        /// The file.
        path: String,
        /// The version that it has.
        from: usize,
        /// What SQLite says.
        why: String,
    },
}

/// Why a read or a write was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// The disk is full.
    #[error("the database cannot write because its disk is full")]
    Full,
    /// It was closed.
    #[error("the database is closed")]
    Closed,
    /// Too much waits, or another process holds the file.
    #[error("too much waits for the database")]
    Overloaded,
    /// SQLite refused it.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl DatabaseError {
    /// What is told, and logged, of a failure of SQLite.
    pub(super) fn explain(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
                tracing::error!(%error, "the database cannot write");
                Self::Full
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Overloaded,
            Some(_) | None => {
                tracing::error!(%error, "the database failed");
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<DatabaseError> for ToolError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Full => Self::new(ErrorCode::StorageFull, error.to_string())
                .with_hint("nothing was changed; the operator must free space"),
            DatabaseError::Closed => {
                Self::new(ErrorCode::Draining, error.to_string()).with_hint("another instance will answer")
            }
            DatabaseError::Overloaded => {
                Self::new(ErrorCode::Overloaded, error.to_string()).with_hint("try again after a moment")
            }
            // What SQLite says may quote what a caller sent.
            DatabaseError::Failed(_) => Self::new(ErrorCode::Internal, "the database failed; the log has the details"),
        }
    }
}
