//! The only connection that writes, on a thread of its own. A transaction takes all writes that are waiting, so that
//! their callers share the cost of one sync.

// SQLite has one write lock, so more connections do not write faster; they only wait for each other. Measured with 250-byte rows and
// `synchronous = FULL`: 100 connections wrote 5,200-6,200 rows/s and the slowest waited 4.6 s. One thread with group commit wrote
// 21,000-23,000 rows/s for 100 callers, p99 12 ms.

use super::error::{DatabaseError, is_busy};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Maximum number of writes in the queue; further ones are refused.
// Half a second of work at the measured 9,500 rows/s with a full-text index, so a queued write does not reach its
// deadline.
const QUEUED_WRITES: usize = 4_096;
/// Maximum number of writes in one transaction.
// 100 callers filled batches of about 80. The limit bounds the work that is repeated if one write of a batch fails.
const BATCH: usize = 512;

type Outcome<T> = Result<T, DatabaseError>;

pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    thread: JoinHandle<()>,
}

/// A write whose reply waits for the commit.
trait Job: Send {
    /// Runs the write and keeps its value.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), Failure>;
    /// Sends the reply: the value, or the reason why nothing was written.
    fn reply(self: Box<Self>, outcome: Outcome<()>);
}

/// A failed attempt to write. It is not converted to a [`DatabaseError`] at once, because the conversion logs an error, and the write may
/// still succeed when it runs again.
enum Failure {
    Sqlite(rusqlite::Error),
    Panicked,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Failure> for DatabaseError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) => error.into(),
            Failure::Panicked => Self::Failed("the write panicked".to_owned()),
        }
    }
}

struct Write<F, T> {
    work: F,
    value: Option<T>,
    reply: oneshot::Sender<Outcome<T>>,
}

impl<F, T> Job for Write<F, T>
where
    F: Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        // A panic would otherwise end the only thread that writes.
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(transaction)));
        self.value = Some(result.map_err(|_| Failure::Panicked)??);
        Ok(())
    }

    fn reply(self: Box<Self>, outcome: Outcome<()>) {
        let missing = || DatabaseError::Failed("the write has no value".to_owned());
        let Self { value, reply, .. } = *self;
        // The caller may have reached its deadline; the write is committed in any case.
        let _ = reply.send(outcome.and_then(|()| value.ok_or_else(missing)));
    }
}

impl Writer {
    pub(super) fn start(connection: Connection, on_commit: fn(usize, Duration)) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUED_WRITES);
        let thread = std::thread::Builder::new()
            .name("database-writer".to_owned())
            .spawn(move || run_queue(connection, jobs, on_commit))?;
        Ok(Self { queue, thread })
    }

    pub(super) fn enqueue<T: Send + 'static>(
        &self,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<oneshot::Receiver<Outcome<T>>> {
        let (reply, result) = oneshot::channel();
        // A full queue refuses at once; waiting for a place would hide the overload until the deadline of the request.
        self.queue.try_send(Box::new(Write { work, value: None, reply })).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DatabaseError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => DatabaseError::Closed,
        })?;
        Ok(result)
    }

    /// Blocks until the queued writes are done.
    pub(super) fn close(self) {
        drop(self.queue);
        let _ = self.thread.join();
    }
}

fn run_queue(mut connection: Connection, mut jobs: mpsc::Receiver<Box<dyn Job>>, on_commit: fn(usize, Duration)) {
    let mut batch = Vec::with_capacity(BATCH);
    // No timer delays a batch: the next one gathers while this one is synced, so batches grow with the load only.
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let start = Instant::now();
        let outcomes = commit(&mut connection, &mut batch);
        on_commit(batch.len(), start.elapsed());
        for (job, outcome) in batch.drain(..).zip(outcomes) {
            job.reply(outcome);
        }
    }
    // Moves the WAL into the database file, so that a copy of this one file is complete.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Commits a batch in as few transactions as possible and returns the outcome of each write.
fn commit(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Vec<Outcome<()>> {
    // A savepoint for each write would let one fail alone, but it costs every write: SQLite keeps a second copy of each page that it
    // changes. So only a batch in which a write failed runs again with savepoints.
    let failure = match commit_together(connection, batch) {
        Ok(()) => return vec![Ok(()); batch.len()],
        Err(failure) => failure,
    };
    // Another process held the lock for the whole busy timeout. Waiting once more for each write would add up to minutes.
    let is_busy = matches!(&failure, Failure::Sqlite(error) if is_busy(error));
    if is_busy || batch.len() == 1 {
        return vec![Err(failure.into()); batch.len()];
    }
    // A full disk ends the transaction as a whole. Each write then gets a transaction of its own, because a small one may still fit.
    commit_with_savepoints(connection, batch).unwrap_or_else(|_| {
        let alone = |job| Ok(commit_together(connection, std::slice::from_mut(job))?);
        batch.iter_mut().map(alone).collect()
    })
}

/// Commits every write or none.
fn commit_together(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    batch.iter_mut().try_for_each(|job| job.run(&transaction))?;
    Ok(transaction.commit()?)
}

/// Commits the writes that succeed.
fn commit_with_savepoints(
    connection: &mut Connection,
    batch: &mut [Box<dyn Job>],
) -> Result<Vec<Outcome<()>>, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for job in batch {
        transaction.execute_batch("SAVEPOINT one")?;
        match job.run(&transaction) {
            Ok(()) => outcomes.push(Ok(())),
            // The failure ended the transaction, not only this write.
            Err(failure) if transaction.is_autocommit() => return Err(failure),
            Err(failure) => {
                transaction.execute_batch("ROLLBACK TO one")?;
                outcomes.push(Err(failure.into()));
            }
        }
        // Also after `ROLLBACK TO`, which keeps the savepoint open.
        transaction.execute_batch("RELEASE one")?;
    }
    transaction.commit()?;
    Ok(outcomes)
}
