//! The connections of an instance to its server.

use super::Failed;
use super::failure::{PostgresOpenError, text};
use super::target::PostgresTarget;
use crate::database::error::DatabaseError;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use std::time::Duration;

/// Settings of a session. A statement that takes longer than the deadline of a request has no caller any more; a lock that is waited for longer, or a
/// transaction that its instance has left open, belongs to an instance that hangs.
const SESSION: &str =
    "SET statement_timeout = '9s'; SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '15s'";
/// How long a call waits for a free connection, a new one included.
const WAIT_DEADLINE: Duration = Duration::from_secs(5);

pub(super) struct Connections {
    pool: Pool,
}

impl Connections {
    pub(super) fn new(target: &PostgresTarget, number: usize) -> Result<Self, PostgresOpenError> {
        // `Fast` asks no question before each use. A connection that died meanwhile fails with its first statement, which is then repeated.
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(target.config().clone(), target.tls(), config);
        let timeouts =
            Timeouts { wait: Some(WAIT_DEADLINE), create: Some(WAIT_DEADLINE), recycle: Some(WAIT_DEADLINE) };
        let prepare = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(number)
            .timeouts(timeouts)
            .post_create(prepare)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| PostgresOpenError::unreachable(target, &error))?;
        Ok(Self { pool })
    }

    pub(super) async fn get(&self) -> Result<Object, Failed> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                tracing::error!(error = text(&error), "the database server cannot be reached");
                Failed::NoConnection(DatabaseError::Unreachable(text(&error)))
            }
            PoolError::Closed => Failed::NoConnection(DatabaseError::Closed),
            // All connections are in use: the callers are too many, and the server is not at fault.
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Failed::NoConnection(DatabaseError::Overloaded),
            other => Failed::NoConnection(DatabaseError::Unreachable(other.to_string())),
        })
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}
