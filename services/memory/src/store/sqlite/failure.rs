//! How a query ends early: the request is refused, or SQLite fails.

use crate::store::StoreError;

pub(super) enum Failure {
    /// The reply to the client. Nothing was changed, so the transaction continues with the next write.
    Refused(StoreError),
    /// The transaction must be rolled back.
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

/// Makes a refusal a value, because the database rolls back whatever returns an error.
pub(super) fn commit_refusal<T>(result: Result<T, Failure>) -> rusqlite::Result<Result<T, StoreError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Refused(error)) => Ok(Err(error)),
        Err(Failure::Sqlite(error)) => Err(error),
    }
}
