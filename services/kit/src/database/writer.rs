//! The one writer: a thread that takes every write that waits, does each in a savepoint of one transaction, and answers when the disk has
//! them. The more callers wait, the cheaper each gets.

use super::error::DatabaseError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Most writes that wait; a caller beyond them is told so.
const QUEUED_WRITES: usize = 4_096;
/// Most writes in one transaction.
const BATCH: usize = 512;

type Outcome<T> = Result<T, DatabaseError>;

pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    thread: JoinHandle<()>,
}

/// A write whose result waits for the commit.
trait Job: Send {
    /// Does it and keeps the result.
    fn run(&mut self, transaction: &Transaction<'_>) -> Outcome<()>;
    /// Tells the caller: the result that was kept, or why there is none.
    fn tell(self: Box<Self>, outcome: Outcome<()>);
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
    fn run(&mut self, transaction: &Transaction<'_>) -> Outcome<()> {
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(transaction)));
        let result = result.map_err(|_| DatabaseError::Failed("the write panicked".to_owned()))?;
        self.value = Some(result.map_err(|error| DatabaseError::explain(&error))?);
        Ok(())
    }

    fn tell(self: Box<Self>, outcome: Outcome<()>) {
        let Self { value, reply, .. } = *self;
        let lost = || DatabaseError::Failed("the write has no result".to_owned());
        let _ = reply.send(outcome.and_then(|()| value.ok_or_else(lost)));
    }
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUED_WRITES);
        let thread =
            std::thread::Builder::new().name("database-writer".to_owned()).spawn(move || work(connection, queue))?;
        Ok(Self { jobs, thread })
    }

    /// Hands a write over.
    pub(super) fn queue<T: Send + 'static>(
        &self,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Outcome<T>>, DatabaseError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Box::new(Write { work, value: None, reply })).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DatabaseError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => DatabaseError::Closed,
        })?;
        Ok(answer)
    }

    /// Lets what is queued finish; blocks.
    pub(super) fn close(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}

fn work(mut connection: Connection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        commit(&mut connection, std::mem::take(&mut batch));
    }
    // The log goes back into the database, so that a copy of the one file is all there is.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Does a batch in one transaction. Where that fails as a whole, each write gets a transaction of its own, so that one write's
/// trouble is not everybody's.
fn commit(connection: &mut Connection, mut batch: Vec<Box<dyn Job>>) {
    match together(connection, &mut batch) {
        Ok(outcomes) => {
            for (job, outcome) in batch.into_iter().zip(outcomes) {
                job.tell(outcome);
            }
        }
        Err(_) if batch.len() > 1 => {
            for mut job in batch {
                let alone = together(connection, std::slice::from_mut(&mut job));
                job.tell(alone.and_then(|mut outcomes| outcomes.pop().unwrap_or(Err(DatabaseError::Closed))));
            }
        }
        Err(error) => {
            for job in batch {
                job.tell(Err(error.clone()));
            }
        }
    }
}

/// The outcome of each, or why there is none of any.
fn together(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Outcome<Vec<Outcome<()>>> {
    let explain = |error: rusqlite::Error| DatabaseError::explain(&error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for job in batch {
        transaction.execute_batch("SAVEPOINT one").map_err(explain)?;
        let outcome = job.run(&transaction);
        if let Err(error) = &outcome {
            // A full disk may have ended the whole transaction.
            if transaction.is_autocommit() {
                return Err(error.clone());
            }
            transaction.execute_batch("ROLLBACK TO one").map_err(explain)?;
        }
        transaction.execute_batch("RELEASE one").map_err(explain)?;
        outcomes.push(outcome);
    }
    transaction.commit().map_err(explain)?;
    Ok(outcomes)
}
