//! Reads of one short statement on the thread of their call. Another thread would need two switches between threads, which cost several times what such a
//! read does. At most one thread at a time reads here, so that a slow disk never holds up more than one; everything that this cannot do at
//! once is a read of [`super::readers`] (decision 0073).

use super::open;
use super::open_error::OpenError;
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Steps of SQLite's virtual machine between two looks at their number.
const STEPS: i32 = 500;
/// Number of looks after which a read is too long for this place: about 0.3 ms of work.
const LOOKS: u32 = 8;
/// A read of these few steps that takes longer than this waited for the disk.
const SLOW: Duration = Duration::from_millis(2);
/// Time for which no read runs here after a slow one. Short, because a busy processor makes a read slow as well.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct ShortReads {
    // `None` after `close`.
    state: Mutex<Option<State>>,
}

struct State {
    connection: Connection,
    /// Number of looks in the current read.
    looks: Arc<AtomicU32>,
    paused_until: Option<Instant>,
}

impl ShortReads {
    pub(super) fn open(file: &Path) -> Result<Self, OpenError> {
        let mut connection = open::reader(file)?;
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        let is_long = move || counted.fetch_add(1, Ordering::Relaxed) >= LOOKS;
        // A lock of another process is waited for elsewhere.
        let prepare = || {
            connection.busy_timeout(Duration::ZERO)?;
            connection.progress_handler(STEPS, Some(is_long))
        };
        prepare().map_err(|error: rusqlite::Error| OpenError::sqlite(file, &error))?;
        Ok(Self { state: Mutex::new(Some(State { connection, looks, paused_until: None })) })
    }

    /// Runs `work`, which must be one statement that reads. Returns `None` if it must run elsewhere: another thread reads here, the last read
    /// was slow, or this one is too long, has to wait for a lock, or comes after [`Self::close`].
    pub(super) fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<rusqlite::Result<T>> {
        self.run_at(Instant::now(), Instant::now, work)
    }

    fn run_at<T>(
        &self,
        start: Instant,
        end: impl FnOnce() -> Instant,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<rusqlite::Result<T>> {
        let mut state = self.state.try_lock()?;
        let state = state.as_mut()?;
        if state.paused_until.is_some_and(|until| start < until) {
            return None;
        }
        state.looks.store(0, Ordering::Relaxed);
        // Without a transaction of its own: a statement reads one state, and ends its transaction when it is reset.
        let result = work(&state.connection);
        let end = end();
        state.paused_until = (end.saturating_duration_since(start) > SLOW).then(|| end + PAUSE);
        let code = result.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        let is_for_elsewhere =
            matches!(code, Some(ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        (!is_for_elsewhere).then_some(result)
    }

    /// Closes the connection. Waits for a read that is running, but not for a disk that hangs.
    pub(super) fn close(&self) {
        if let Some(mut state) = self.state.try_lock_for(PAUSE) {
            *state = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: &str =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT count(*) FROM n";

    fn reads() -> (tempfile::TempDir, ShortReads) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let writer = Connection::open(&file).unwrap();
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
        let reads = ShortReads::open(&file).unwrap();
        (folder, reads)
    }

    fn count(reads: &ShortReads, numbers: i64) -> Option<rusqlite::Result<i64>> {
        reads.run(|connection| connection.query_row(NUMBERS, [numbers], |row| row.get(0)))
    }

    #[test]
    fn a_short_read_runs_here_and_a_long_one_elsewhere() {
        let (_folder, reads) = reads();
        // The machine may stall, and a read that seems slow pauses the next ones.
        let at = Instant::now();
        let run = |numbers: i64| {
            reads.run_at(at, || at, |connection| connection.query_row(NUMBERS, [numbers], |row| row.get::<_, i64>(0)))
        };
        assert_eq!(run(10), Some(Ok(10)));
        assert_eq!(run(100_000), None);
        assert_eq!(run(20), Some(Ok(20)), "each read has its own number of steps");
    }

    #[test]
    fn after_a_slow_read_none_runs_here_for_a_while() {
        let (_folder, reads) = reads();
        let start = Instant::now();
        let read = |at: Instant, lasts: Duration| reads.run_at(at, || at + lasts, |_| Ok(()));
        assert_eq!(read(start, SLOW * 2), Some(Ok(())));
        assert_eq!(read(start + PAUSE / 2, SLOW / 2), None);
        assert_eq!(read(start + PAUSE * 2, SLOW / 2), Some(Ok(())));
        assert_eq!(read(start + PAUSE * 2, SLOW / 2), Some(Ok(())));
    }

    #[test]
    fn one_thread_reads_at_a_time_and_none_after_the_end() {
        let (_folder, reads) = reads();
        let inner = reads.run(|_| Ok(count(&reads, 10).is_none()));
        assert_eq!(inner, Some(Ok(true)), "another read is running");
        reads.close();
        assert_eq!(count(&reads, 10), None);
    }

    #[test]
    fn a_lock_of_another_process_is_waited_for_elsewhere() {
        let (_folder, reads) = reads();
        let read = reads.run(|_| -> rusqlite::Result<()> {
            Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None))
        });
        assert_eq!(read, None);
        let read =
            reads.run(|connection| connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)));
        assert_eq!(read, Some(Ok(0)));
    }
}
