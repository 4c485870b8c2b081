//! The two ways in which a query fails: the store refuses the request, or the server reports an error.

use crate::store::StoreError;
use tokio_postgres::Error;

pub(super) enum Failure {
    /// The store refuses the request with this error. Nothing was changed, so the transaction continues with the next write.
    Refused(StoreError),
    /// The server failed, so the transaction must be rolled back.
    Server(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Turns a refusal into a value. A refused write has changed nothing, while an error would make the database roll back and repeat the group.
pub(super) fn commit_refusal<T>(result: Result<T, Failure>) -> Result<Result<T, StoreError>, Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Refused(error)) => Ok(Err(error)),
        Err(Failure::Server(error)) => Err(error),
    }
}
