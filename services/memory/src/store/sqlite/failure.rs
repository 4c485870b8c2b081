//! The two ways in which a query fails: the store refuses the request, or SQLite fails.

use crate::store::StoreError;

pub(super) enum Failure {
    /// The store refuses the request with this error. Nothing was changed, so the transaction continues with the next write.
    Refused(StoreError),
    /// SQLite failed, so the transaction must be rolled back.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Turns a refusal into a value. A refused write has changed nothing, while an error would make the database roll back
/// and repeat the batch.
pub(super) fn commit_refusal<T>(result: Result<T, Failure>) -> rusqlite::Result<Result<T, StoreError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Refused(error)) => Ok(Err(error)),
        Err(Failure::Sqlite(error)) => Err(error),
    }
}
