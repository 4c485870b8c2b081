//! The connections of an instance to its server, and when one may be used again.

use super::Failed;
use super::failure::{PostgresOpenError, is_gone, text};
use super::servers::{DEADLINE, Servers};
use super::target::PostgresTarget;
use super::tls::Tls;
use crate::database::error::DatabaseError;
use deadpool_postgres::{
    ClientWrapper, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// Session of reads. A statement that takes longer than the deadline of a request has no caller any more.
pub(super) const READS: &str =
    "SET statement_timeout = '9s'; SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '15s'";
/// Session of writes. A lock that is waited for longer, or a transaction that its instance has left open, belongs to an instance that hangs.
// Without `statement_timeout`: it would end the wait of a commit for a synchronous standby, and the server reports such a commit as a success.
// A role, a database or a server may have turned `synchronous_commit` off, which acknowledges what a crash loses.
pub(super) const WRITES: &str =
    "SET statement_timeout = 0; SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '15s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
/// How long a call waits for a free connection.
const WAIT_DEADLINE: Duration = Duration::from_secs(5);
/// Time in which a server answers the end of a transaction whose caller is gone. After it, the statement is cancelled.
const GRACE: Duration = Duration::from_millis(50);
/// Time in which a server ends a cancelled statement. After it, the connection is closed.
const CANCEL_DEADLINE: Duration = Duration::from_secs(3);
/// Time in which a commit whose caller is gone may still be answered. It keeps its place so long, because its transaction keeps one of the server.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Connections {
    pool: Pool,
    ending: Arc<Ending>,
}

/// Connections whose work was given up, until the server has answered.
struct Ending {
    tls: Tls,
    tasks: Mutex<JoinSet<()>>,
    /// Counts the times that all connections became useless.
    generation: AtomicU64,
}

impl Connections {
    pub(super) fn new(
        target: &PostgresTarget,
        number: usize,
        session: &'static str,
    ) -> Result<Self, PostgresOpenError> {
        let servers = Servers::of(target, session);
        let create = DEADLINE * servers.number() as u32 + Duration::from_secs(1);
        // `Fast` asks no question before each use. A connection that died meanwhile fails with its first statement, which is then repeated.
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(target.config().clone(), servers, config);
        let timeouts = Timeouts { wait: Some(WAIT_DEADLINE), create: Some(create), recycle: Some(WAIT_DEADLINE) };
        let pool = Pool::builder(manager)
            .max_size(number)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| PostgresOpenError::unreachable(target, &error))?;
        Ok(Self {
            pool,
            ending: Arc::new(Ending { tls: target.tls(), tasks: Mutex::default(), generation: AtomicU64::new(0) }),
        })
    }

    /// Returns a free connection. The permit is kept until the server has finished what the connection was used for.
    pub(super) async fn get(&self, permit: Option<Arc<OwnedSemaphorePermit>>) -> Result<Lease, Failed> {
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => {
                tracing::error!(error = text(&error), "the database server cannot be reached");
                Failed::NoConnection(DatabaseError::Unreachable(text(&error)))
            }
            PoolError::Closed => Failed::NoConnection(DatabaseError::Closed),
            // All connections are in use: the callers are too many, and the server is not at fault.
            PoolError::Timeout(TimeoutType::Wait) => Failed::NoConnection(DatabaseError::Overloaded),
            other => Failed::NoConnection(DatabaseError::Unreachable(other.to_string())),
        })?;
        let generation = self.ending.generation.load(Ordering::Relaxed);
        Ok(Lease { object: Some(object), is_committing: false, generation, permit, ending: Arc::clone(&self.ending) })
    }

    /// Closes all connections, those in use after it: the server of one of them has gone or accepts no writes any more. A read on a standby could
    /// return what was true before the last write.
    pub(super) fn discard_all(&self) {
        self.ending.generation.fetch_add(1, Ordering::Relaxed);
        self.pool.retain(|_, _| false);
    }

    pub(super) async fn close(&self) {
        self.pool.close();
        let mut tasks = std::mem::take(&mut *self.ending.tasks.lock());
        tasks.shutdown().await;
    }
}

/// A connection in use. If it is dropped before [`Lease::end`], its work was given up: the server gets a request to stop, and only when it has stopped can
/// another call have the connection. Otherwise one owner could fill all connections with work that it does not wait for.
pub(super) struct Lease {
    object: Option<Object>,
    is_committing: bool,
    generation: u64,
    permit: Option<Arc<OwnedSemaphorePermit>>,
    ending: Arc<Ending>,
}

impl Lease {
    /// Returns the connection, and whether it is committing, which its user must keep.
    pub(super) fn parts(&mut self) -> (&mut ClientWrapper, &mut bool) {
        (self.object.as_deref_mut().expect("taken only at the end"), &mut self.is_committing)
    }

    /// Returns true if all connections of its time were discarded.
    fn is_old(&self) -> bool {
        self.generation != self.ending.generation.load(Ordering::Relaxed)
    }

    /// Ends the use. The connection is closed if the failure leaves it useless, and kept until it is answered if there was no answer.
    pub(super) fn end(mut self, failed: Option<&Failed>) {
        let error = match failed {
            Some(Failed::NoAnswer | Failed::NoAnswerToCommit) => return,
            Some(Failed::Statement(error) | Failed::Commit(error)) => Some(error),
            Some(Failed::NoConnection(_)) | None => None,
        };
        if let Some(object) = self.object.take()
            && (self.is_old() || error.is_some_and(is_gone))
        {
            drop(Object::take(object));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if self.is_old() || tokio::runtime::Handle::try_current().is_err() {
            // Its server is of no use any more, or the runtime has ended and the process is about to.
            return drop(Object::take(object));
        }
        let (permit, tls, is_committing) = (self.permit.take(), self.ending.tls.clone(), self.is_committing);
        let mut tasks = self.ending.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let is_free = if is_committing { settle(&object).await } else { cancel(&object, tls).await };
            if is_free {
                drop(object);
            } else {
                drop(Object::take(object));
            }
            drop(permit);
        });
    }
}

/// Waits for the answer to a commit. It is never cancelled: its transaction would then be visible without the standby that it waits for.
async fn settle(client: &ClientWrapper) -> bool {
    matches!(tokio::time::timeout(COMMIT_PATIENCE, client.batch_execute("")).await, Ok(Ok(())))
}

/// Ends the statement of a transaction that is to be rolled back. Returns true if the server has done so.
async fn cancel(client: &ClientWrapper, tls: Tls) -> bool {
    // Answers come in order, so the answer to an empty statement shows that all before it has ended.
    if let Ok(answer) = tokio::time::timeout(GRACE, client.batch_execute("")).await {
        return answer.is_ok();
    }
    let cancelling = async {
        client.cancel_token().cancel_query(tls).await?;
        client.batch_execute("").await
    };
    matches!(tokio::time::timeout(CANCEL_DEADLINE, cancelling).await, Ok(Ok(())))
}
