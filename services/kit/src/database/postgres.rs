//! A database on a Postgres server that several instances of a service share: its connections, its migrations, its transactions and its state in
//! `/readyz`. A service defines its tables and queries; this module decides when a connection is usable, and what may be repeated.

mod connect;
pub(super) mod failure;
mod lanes;
mod migrate;
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
use crate::certificate::Certificate;
use crate::readiness::Readiness;
use connect::Connections;
use failure::{is_repeatable, trouble_of};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, IsolationLevel, Row};

/// Pause between two probes of an idle database.
const PROBE_PERIOD: Duration = Duration::from_secs(1);
/// How long a call waits for a free connection.
const WAIT_DEADLINE: Duration = Duration::from_secs(5);

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
        let connections = |number| Connections::new(target, number);
        // Reads and writes have connections of their own, so that neither waits for all of the other.
        let reading = target.connections().div_ceil(2);
        let shared = Shared {
            reads: connections(reading)?,
            writes: connections((target.connections() - reading).max(1))?,
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
        let own = tokio::time::timeout(WAIT_DEADLINE, self.shared.owners.permits_of(owner).acquire_owned()).await;
        let _own = own.map_err(|_| DatabaseError::Overloaded)?.map_err(|_| DatabaseError::Closed)?;
        let result = match self.read_once(&work).await {
            // The connection may have been closed while it was idle. A second one tells that from a server that is gone.
            Err(Failed::Statement(error)) if is_repeatable(&error) => self.read_once(&work).await,
            result => result,
        };
        self.noted(result, false)
    }

    async fn read_once<T>(
        &self,
        work: &(impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send),
    ) -> Result<T, Failed> {
        let mut client = self.shared.reads.get().await?;
        let begin = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let transaction = begin.start().await?;
        let value = work(&transaction).await?;
        transaction.commit().await?;
        Ok(value)
    }

    /// Runs a write in a transaction; it is durable when this returns. `work` runs again if the first transaction stored nothing for sure.
    ///
    /// # Errors
    /// If this fails, nothing was written. The exception is [`DatabaseError::Unconfirmed`], after which the write may be durable.
    pub async fn write<T>(
        &self,
        work: impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send,
    ) -> Result<T, DatabaseError> {
        let result = match self.write_once(&work).await {
            Err(Failed::Statement(error)) if is_repeatable(&error) => self.write_once(&work).await,
            result => result,
        };
        self.noted(result, true)
    }

    async fn write_once<T>(
        &self,
        work: &(impl for<'t> Fn(&'t PostgresTransaction<'t>) -> Work<'t, T> + Send),
    ) -> Result<T, Failed> {
        let mut client = self.shared.writes.get().await?;
        let transaction = client.transaction().await?;
        let value = work(&transaction).await?;
        transaction.commit().await.map_err(Failed::Commit)?;
        Ok(value)
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
            let _ = self.write(move |transaction| Box::pin(migrate::touch(transaction, service))).await;
        }
        let _ = self.read("", |transaction| Box::pin(async { transaction.execute("SELECT 1", &[]).await })).await;
    }

    /// Ends the probe and the connections. Later calls return [`DatabaseError::Closed`].
    pub async fn close(&self) {
        let mut probes = std::mem::take(&mut *self.shared.probes.lock());
        probes.shutdown().await;
        self.shared.reads.close();
        self.shared.writes.close();
    }
}

/// Why work failed, and with that what may have been stored.
enum Failed {
    NoConnection(DatabaseError),
    /// Before the commit, so nothing was stored.
    Statement(Error),
    Commit(Error),
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
