//! Errors of a database, and how each is reported to the client of a tool.

use super::trouble::Trouble;
use mcp_contracts::{ErrorCode, ToolError};
use rusqlite::ErrorCode as SqliteCode;

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
            DatabaseError::Closed => (ErrorCode::Draining, "nothing was changed; retry later, or at another instance"),
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
