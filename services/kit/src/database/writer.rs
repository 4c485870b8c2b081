//! The only connection that writes, on a thread of its own. A transaction takes all small writes that are waiting, so that their callers share the
//! cost of one sync.

// SQLite has one write lock, so more connections do not write faster; they only wait for each other. Measured with 250-byte rows and
// `synchronous = FULL`: 100 connections wrote 5,200-6,200 rows/s and the slowest waited 4.6 s. One thread with group commit wrote
// 21,000-23,000 rows/s for 100 callers, p99 12 ms.

use super::database_file::DatabaseFile;
use super::error::{DatabaseError, is_busy};
use super::health::Health;
use super::queue::{Queue, Refused, Turn};
use super::trouble::Trouble;
use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

type Outcome<T> = Result<T, DatabaseError>;

pub(super) struct Writer {
    queue: Arc<Queue<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread of the writer uses.
pub(super) struct Work {
    pub(super) connection: Connection,
    pub(super) place: Arc<DatabaseFile>,
    pub(super) health: Arc<Health>,
    pub(super) on_commit: fn(usize, Duration),
}

/// A write whose reply waits for the commit.
trait Job: Send {
    /// True for a write that may use the reserve of a full disk.
    fn frees(&self) -> bool;
    /// Number of writes that it counts as in the metrics.
    fn counts(&self) -> usize;
    /// Runs the write and keeps its value.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), Failure>;
    /// Sends the reply: the value, or the reason why nothing was written.
    fn reply(self: Box<Self>, outcome: Outcome<()>);
}

/// A failed attempt to write. It is not converted to a [`DatabaseError`] at once, because the conversion logs an error, and the write may
/// still succeed when it runs again.
enum Failure {
    Sqlite(rusqlite::Error),
    /// The commit was written and could not be synced.
    Unconfirmed(rusqlite::Error),
    Panicked,
}

impl Failure {
    fn of_commit(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        // After every other failure the WAL lacks the last frame of the commit, so the commit is never replayed.
        if matches!(code, Some(SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC)) {
            Self::Unconfirmed(error)
        } else {
            Self::Sqlite(error)
        }
    }
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
            Failure::Unconfirmed(error) => {
                tracing::error!(%error, "the database could not sync a commit");
                Self::Unconfirmed
            }
            Failure::Panicked => Self::Failed("the write panicked".to_owned()),
        }
    }
}

struct Write<F, T> {
    frees: bool,
    counts: usize,
    work: F,
    value: Option<T>,
    reply: oneshot::Sender<Outcome<T>>,
}

impl<F, T> Job for Write<F, T>
where
    F: Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn frees(&self) -> bool {
        self.frees
    }

    fn counts(&self) -> usize {
        self.counts
    }

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
    pub(super) fn start(work: Work) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new());
        let jobs = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("database-writer".to_owned())
            .spawn(move || run_queue(work, &CloseOnDrop(jobs)))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub(super) fn enqueue<T: Send + 'static>(
        &self,
        turn: Turn<'_>,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<oneshot::Receiver<Outcome<T>>> {
        self.enqueue_counted(turn, 1, work)
    }

    /// Queues a write of a probe, which no metric counts. `changes`: it changes the database, so that its success shows that this is possible.
    pub(super) fn enqueue_probe(
        &self,
        changes: bool,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<()> + Send + 'static,
    ) -> Outcome<oneshot::Receiver<Outcome<()>>> {
        self.enqueue_counted(Turn { rows: changes.into(), frees: true, ..Turn::default() }, 0, work)
    }

    fn enqueue_counted<T: Send + 'static>(
        &self,
        turn: Turn<'_>,
        counts: usize,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<oneshot::Receiver<Outcome<T>>> {
        let (reply, result) = oneshot::channel();
        let write = Box::new(Write { frees: turn.frees, counts, work, value: None, reply });
        self.queue.push(turn, write).map_err(|refused| match refused {
            Refused::Full => DatabaseError::Overloaded,
            Refused::Closed => DatabaseError::Closed,
        })?;
        Ok(result)
    }

    /// Blocks until the queued writes are done.
    pub(super) fn close(mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Refuses further writes if the thread of the writer ends, whatever ends it.
struct CloseOnDrop(Arc<Queue<Box<dyn Job>>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn run_queue(mut work: Work, queue: &CloseOnDrop) {
    // No timer delays a batch: the next one gathers while this one is synced, so batches grow with the load only.
    while let Some(mut batch) = queue.0.next() {
        let start = Instant::now();
        let outcomes = run_batch(&mut work, &mut batch.writes);
        let duration = start.elapsed();
        queue.0.ended(&batch, duration);
        let counted = batch.writes.iter().map(|job| job.counts()).sum();
        if counted > 0 {
            (work.on_commit)(counted, duration);
        }
        work.health.wrote(outcomes.iter(), batch.rows > 0);
        for (job, outcome) in batch.writes.into_iter().zip(outcomes) {
            job.reply(outcome);
        }
    }
    // Moves the WAL into the database file, so that a copy of this one file is complete.
    let _ = work.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Runs the writes for which the place of the database permits it, and returns the outcome of each.
fn run_batch(work: &mut Work, jobs: &mut Vec<Box<dyn Job>>) -> Vec<Outcome<()>> {
    if !work.place.is_unchanged() {
        let why = "its file was removed or replaced".to_owned();
        return vec![Err(DatabaseError::Unusable { trouble: Trouble::Removed, why }); jobs.len()];
    }
    if jobs.iter().all(|job| job.frees()) || has_room(work) {
        return commit(&mut work.connection, jobs);
    }
    // Only deletions may use what is left of the disk.
    let mut allowed: Vec<Box<dyn Job>> = Vec::new();
    let mut refused = Vec::new();
    for (at, job) in std::mem::take(jobs).into_iter().enumerate() {
        if job.frees() { allowed.push(job) } else { refused.push((at, job)) }
    }
    let mut outcomes = if allowed.is_empty() { Vec::new() } else { commit(&mut work.connection, &mut allowed) };
    *jobs = allowed;
    for (at, job) in refused {
        jobs.insert(at, job);
        outcomes.insert(at, Err(DatabaseError::Full));
    }
    outcomes
}

fn has_room(work: &Work) -> bool {
    work.place.has_room(&work.connection)
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
    // A commit that may be durable is not repeated: the second attempt could fail, and its error would deny a stored write.
    if is_busy || batch.len() == 1 || matches!(failure, Failure::Unconfirmed(_)) {
        return vec![Err(failure.into()); batch.len()];
    }
    // A full disk ends the transaction as a whole. Each write then gets a transaction of its own, because a small one may still fit.
    commit_with_savepoints(connection, batch).unwrap_or_else(|failure| {
        if matches!(failure, Failure::Unconfirmed(_)) {
            return vec![Err(failure.into()); batch.len()];
        }
        let alone = |job| Ok(commit_together(connection, std::slice::from_mut(job))?);
        batch.iter_mut().map(alone).collect()
    })
}

/// Commits every write or none.
fn commit_together(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    batch.iter_mut().try_for_each(|job| job.run(&transaction))?;
    transaction.commit().map_err(Failure::of_commit)
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
    transaction.commit().map_err(Failure::of_commit)?;
    Ok(outcomes)
}
