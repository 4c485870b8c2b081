//! A database on a Postgres server that several instances of a service share: its connections, its migrations, its transactions and its state in
//! `/readyz`. A service defines its tables and queries; this module decides when a connection is usable, and what may be repeated.

mod connect;
pub(super) mod failure;
mod lanes;
mod migrate;
mod servers;
mod target;
mod tls;

pub use deadpool_postgres::Transaction as PostgresTransaction;
pub use failure::PostgresOpenError;
pub use lanes::Lanes;
pub use migrate::PostgresSchema;
pub use target::PostgresTarget;

use super::error::DatabaseError;
use super::health::Health;
use super::owners::Owners;
use super::trouble::Trouble;
use crate::certificate::Certificate;
use crate::readiness::Readiness;
use connect::{Connections, READS, WRITES};
use failure::{is_gone, is_repeatable, trouble_of};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, IsolationLevel, Row};

/// Pause between two probes of an idle database.
const PROBE_PERIOD: Duration = Duration::from_secs(1);
/// How long a call waits until its owner may use a further connection.
const WAIT_DEADLINE: Duration = Duration::from_secs(5);
/// Time that the statements of a transaction may take. A server that hangs still answers at the level of TCP, so nothing else would end the wait: the
/// writes of an organisation would stop until the server goes on, even if another one has taken its place.
// Longer than any request, so that it ends only the work of a server that hangs.
const WORK_DEADLINE: Duration = Duration::from_secs(15);
/// Time that a commit may take, with the wait for a synchronous standby.
const COMMIT_DEADLINE: Duration = Duration::from_secs(9);
/// Time that a probe may take; that of a file is as long.
const PROBE_DEADLINE: Duration = Duration::from_secs(3);

/// Work on a transaction: it may run a second time if the first connection was lost before anything was stored.
pub type Work<'t, T> = BoxFuture<'t, Result<T, Error>>;
/// The parameters of a statement.
pub type Values<'a> = &'a [&'a (dyn ToSql + Sync)];
/// A statement with its parameters.
pub type Bound<'a> = (&'a str, Values<'a>);

/// A database on a server. Clones share its connections.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
}

struct Shared {
    reads: Connections,
    writes: Connections,
    owners: Owners,
    health: Arc<Health>,
    service: &'static str,
    probes: Mutex<JoinSet<()>>,
}

impl Postgres {
    /// Connects and runs the missing migrations. Instances that start at the same time wait for each other.
    ///
    /// # Errors
    /// Fails if no server that accepts writes can be reached, if the role lacks a right or is not subject to row-level security, or if the database
    /// is of a newer release. Nothing is half migrated.
    pub async fn open(target: &PostgresTarget, schema: PostgresSchema<'_>) -> Result<Self, PostgresOpenError> {
        Certificate::DatabaseIssuer.publish(target.tls().issuer_expiry());
        migrate::run(target, &schema).await?;
        let connections = |number, session| Connections::new(target, number, session);
        // Reads and writes have connections of their own, so that neither waits for all of the other.
        let reading = target.connections().div_ceil(2);
        let shared = Shared {
            reads: connections(reading, READS)?,
            writes: connections((target.connections() - reading).max(1), WRITES)?,
            // One connection stays free, so that slow reads of one owner never block those of all others.
            owners: Owners::new((reading - 1).max(1)),
            health: Arc::default(),
            service: schema.service,
            probes: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Shows in `/readyz` whether the database can be used, until it is closed.
    pub fn watch(&self, readiness: &Readiness) {
        self.shared.health.watched_by(readiness.clone());
        let database = self.clone();
        self.shared.probes.lock().spawn(async move {
            loop {
                tokio::time::sleep(PROBE_PERIOD).await;
                database.probe().await;
            }
        });
    }

    /// Runs a read on one snapshot of the database. An owner never uses all connections for reads at a time.
    ///
    /// # Errors
    /// Fails if no connection is free within the deadline, the server cannot be reached, or it reports an error.
    pub async fn read<T>(
        &self,
        owner: &str,
        work: impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send,
    ) -> Result<T, DatabaseError> {
        self.read_within(WORK_DEADLINE, owner, work).await
    }

    async fn read_within<T>(
        &self,
        deadline: Duration,
        owner: &str,
        work: impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send,
    ) -> Result<T, DatabaseError> {
        let own = tokio::time::timeout(WAIT_DEADLINE, self.shared.owners.permits_of(owner).acquire_owned()).await;
        let own = Arc::new(own.map_err(|_| DatabaseError::Overloaded)?.map_err(|_| DatabaseError::Closed)?);
        let result = match self.read_once(deadline, &own, &work).await {
            // The connection may have been closed while it was idle. A second one tells that from a server that is gone.
            Err(Failed::Statement(error)) if is_repeatable(&error) => {
                self.before_repetition(&error);
                self.read_once(deadline, &own, &work).await
            }
            result => result,
        };
        self.noted(result, false)
    }

    async fn read_once<T>(
        &self,
        deadline: Duration,
        own: &Arc<OwnedSemaphorePermit>,
        work: &(impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send),
    ) -> Result<T, Failed> {
        let mut lease = self.shared.reads.get(Some(Arc::clone(own))).await?;
        let (client, _) = lease.parts();
        let reading = async {
            let begin = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
            let transaction = begin.start().await?;
            let value = work(&transaction).await?;
            transaction.commit().await?;
            Ok::<_, Error>(value)
        };
        let result = match tokio::time::timeout(deadline, reading).await {
            Ok(result) => result.map_err(Failed::Statement),
            Err(_) => Err(Failed::NoAnswer),
        };
        lease.end(result.as_ref().err());
        result
    }

    /// Runs a write in a transaction; it is durable when this returns. `work` runs again if the first transaction stored nothing for sure.
    ///
    /// # Errors
    /// If this fails, nothing was written. The exception is [`DatabaseError::Unconfirmed`], after which the write may be durable.
    pub async fn write<T>(
        &self,
        work: impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send,
    ) -> Result<T, DatabaseError> {
        self.write_within(WORK_DEADLINE, COMMIT_DEADLINE, work).await
    }

    async fn write_within<T>(
        &self,
        deadline: Duration,
        commit_deadline: Duration,
        work: impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send,
    ) -> Result<T, DatabaseError> {
        let result = match self.write_once(deadline, commit_deadline, &work).await {
            Err(Failed::Statement(error)) if is_repeatable(&error) => {
                self.before_repetition(&error);
                self.write_once(deadline, commit_deadline, &work).await
            }
            result => result,
        };
        self.noted(result, true)
    }

    async fn write_once<T>(
        &self,
        deadline: Duration,
        commit_deadline: Duration,
        work: &(impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send),
    ) -> Result<T, Failed> {
        let mut lease = self.shared.writes.get(None).await?;
        let (client, is_committing) = lease.parts();
        let writing = async {
            let working = async {
                // Named, because the default can be changed on the server, and the store locks rows before it reads.
                let begin = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
                let transaction = begin.start().await?;
                let value = work(&transaction).await?;
                Ok::<_, Error>((transaction, value))
            };
            let worked = tokio::time::timeout(deadline, working).await;
            let (transaction, value) = worked.map_err(|_| Failed::NoAnswer)??;
            *is_committing = true;
            let committed = tokio::time::timeout(commit_deadline, transaction.commit()).await;
            committed.map_err(|_| Failed::NoAnswerToCommit)?.map_err(Failed::Commit)?;
            Ok::<_, Failed>(value)
        };
        let result = writing.await;
        lease.end(result.as_ref().err());
        result
    }

    /// Closes the connections if the server of a failed one has gone or has become a standby, so that the repetition opens a new one.
    fn before_repetition(&self, error: &Error) {
        if is_gone(error) {
            self.shared.reads.discard_all();
            self.shared.writes.discard_all();
        }
    }

    /// Takes note of the outcome for `/readyz`, and turns a failure into the error for callers.
    fn noted<T>(&self, result: Result<T, Failed>, is_write: bool) -> Result<T, DatabaseError> {
        let error = match result {
            Ok(value) => {
                self.shared.health.used(None, is_write);
                return Ok(value);
            }
            Err(error) => error,
        };
        let (cause, error) = match error {
            Failed::NoConnection(error) => {
                if let Some(trouble) = error.trouble() {
                    self.shared.health.used(Some(trouble), is_write);
                }
                return Err(error);
            }
            Failed::NoAnswer => {
                tracing::error!("the database server does not answer");
                self.shared.health.used(Some(Trouble::Unreachable), is_write);
                return Err(DatabaseError::Unreachable("it does not answer".to_owned()));
            }
            Failed::NoAnswerToCommit => {
                tracing::error!("the database server does not answer a commit; it may wait for a synchronous standby");
                self.shared.health.used(Some(Trouble::Unreachable), is_write);
                return Err(DatabaseError::Unconfirmed);
            }
            Failed::Statement(cause) => {
                let error = failure::of_statement(&cause);
                (cause, error)
            }
            Failed::Commit(cause) => {
                let error = failure::of_commit(&cause);
                (cause, error)
            }
        };
        if let Some(trouble) = trouble_of(&cause) {
            self.shared.health.used(Some(trouble), is_write);
        }
        Err(error)
    }

    /// Uses a connection of each kind. Writes only to find the end of a trouble, so that an idle service writes nothing.
    async fn probe(&self) {
        let service = self.shared.service;
        if self.shared.health.is_write_troubled() {
            let touch = self
                .write_within(PROBE_DEADLINE, PROBE_DEADLINE, move |transaction| migrate::touch(transaction, service));
            let _ = touch.await;
        }
        let _ = self
            .read_within(PROBE_DEADLINE, "", |transaction| {
                Box::pin(async { transaction.execute("SELECT 1", &[]).await })
            })
            .await;
    }

    /// Ends the probe and the connections. Later calls return [`DatabaseError::Closed`].
    pub async fn close(&self) {
        let mut probes = std::mem::take(&mut *self.shared.probes.lock());
        probes.shutdown().await;
        self.shared.reads.close().await;
        self.shared.writes.close().await;
    }
}

/// Why work failed, and with that what may have been stored.
enum Failed {
    NoConnection(DatabaseError),
    /// Before the commit, so nothing was stored.
    Statement(Error),
    Commit(Error),
    /// Before the commit, so nothing is stored: the transaction is rolled back, or its connection closed.
    NoAnswer,
    NoAnswerToCommit,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

/// Runs statements one after the other in one round trip, and returns the rows of each.
///
/// # Errors
/// Fails with the first statement that fails; the transaction can do nothing more then.
pub async fn pipelined(
    transaction: &PostgresTransaction<'_>,
    statements: &[Bound<'_>],
) -> Result<Vec<Vec<Row>>, Error> {
    // All are prepared first: otherwise one that is known to the connection would be sent before an earlier one that is not.
    let prepared =
        futures::future::try_join_all(statements.iter().map(|(sql, _)| transaction.prepare_cached(sql))).await?;
    // Requests are sent in the order in which the futures are polled first, which is theirs.
    let running = prepared.iter().zip(statements).map(|(statement, (_, values))| transaction.query(statement, values));
    futures::future::try_join_all(running).await
}
