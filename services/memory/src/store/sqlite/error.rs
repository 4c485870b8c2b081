//! What the caller is told of a failure of SQLite, and what the log is.

use crate::store::StoreError;
use rusqlite::ErrorCode;

/// What the caller is told of a failure of SQLite.
pub(super) fn explain(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            tracing::error!(%error, "the store cannot write");
            StoreError::Full
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Overloaded,
        Some(_) | None => {
            tracing::error!(%error, "the store failed");
            StoreError::Failed(error.to_string())
        }
    }
}
