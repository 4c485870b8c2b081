//! The one writer: a thread that takes every write that is waiting, does them in one transaction, and answers when the disk has them.
//! A write that waits for others to be synced costs nothing more, so the more callers there are, the cheaper each gets.

use super::error::explain;
use super::write::{self, Write, Written};
use crate::store::StoreError;
use mcp_contracts::metric;
use rusqlite::Connection;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Most writes that wait; a caller beyond them is told so.
const QUEUED_WRITES: usize = 4_096;
/// Most writes in one transaction.
const BATCH: usize = 512;

/// A write, and whom to tell.
struct Job {
    write: Write,
    reply: oneshot::Sender<Result<Written, StoreError>>,
}

/// Handle to the thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    thread: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

/// Hands writes over.
#[derive(Clone)]
pub(super) struct WriteHandle {
    jobs: mpsc::WeakSender<Job>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUED_WRITES);
        let thread =
            std::thread::Builder::new().name("memory-writer".to_owned()).spawn(move || work(connection, queue))?;
        Ok(Self { jobs, thread: parking_lot::Mutex::new(Some(thread)) })
    }

    pub(super) fn handle(&self) -> WriteHandle {
        WriteHandle { jobs: self.jobs.downgrade() }
    }

    /// Lets what is queued finish; blocks.
    pub(super) fn close(self) {
        drop(self.jobs);
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

impl WriteHandle {
    pub(super) async fn write(self, write: Write) -> Result<Written, StoreError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.upgrade().ok_or(StoreError::Closed)?;
        jobs.try_send(Job { write, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        drop(jobs);
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn work(mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    let rows = metrics::histogram!(metric::MEMORY_COMMIT_ROWS);
    let seconds = metrics::histogram!(metric::MEMORY_COMMIT_SECONDS);
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        let start = Instant::now();
        rows.record(batch.len() as f64);
        commit(&mut connection, &mut batch);
        seconds.record(start.elapsed());
    }
    // The log goes back into the database, so that a copy of the one file is all there is.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Does a batch in one transaction. Where that fails as a whole, each write gets a transaction of its own, so that one write's
/// trouble is not everybody's.
fn commit(connection: &mut Connection, batch: &mut Vec<Job>) {
    match together(connection, batch.iter().map(|job| &job.write)) {
        Ok(results) => {
            for (job, result) in batch.drain(..).zip(results) {
                let _ = job.reply.send(result);
            }
        }
        Err(_) if batch.len() > 1 => {
            for job in batch.drain(..) {
                let result = together(connection, std::iter::once(&job.write));
                let _ =
                    job.reply.send(result.map_err(|error| explain(&error)).and_then(|mut results| results.remove(0)));
            }
        }
        Err(error) => {
            for job in batch.drain(..) {
                let _ = job.reply.send(Err(explain(&error)));
            }
        }
    }
}

fn together<'a>(
    connection: &mut Connection,
    writes: impl Iterator<Item = &'a Write>,
) -> rusqlite::Result<Vec<Result<Written, StoreError>>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let now = jiff::Timestamp::now().as_microsecond();
    let mut results = Vec::new();
    for write in writes {
        results.push(match write::run(&transaction, write, now) {
            Ok(written) => Ok(written),
            Err(write::WriteError::Refused(refused)) => Err(refused),
            Err(write::WriteError::Sqlite(error)) => return Err(error),
        });
    }
    transaction.commit()?;
    Ok(results)
}
