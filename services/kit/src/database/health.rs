//! What `/readyz` says about a database. The outcome of each write and read changes it at once. A probe once a second finds what no call has met, and the
//! end of a trouble.

use super::database_file::DatabaseFile;
use super::error::DatabaseError;
use super::trouble::Trouble;
use super::{Writer, open};
use crate::readiness::{Degraded, Latch, Readiness};
use mcp_contracts::metric;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause between two probes.
const PERIOD: Duration = Duration::from_secs(1);
/// Time that a probe may take. After that the database counts as locked or unreadable.
// Shorter than a call waits for a lock (5 s), longer than the slowest commit that was measured on a busy machine.
const DEADLINE: Duration = Duration::from_secs(3);

/// The state of one database.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    readiness: Option<Readiness>,
    reading: Option<Trouble>,
    writing: Option<Trouble>,
    /// Set by the probe alone, because a small write can succeed on a disk that has no room for the next one.
    short_of_room: bool,
    /// Time of the last batch of writes that ended without trouble.
    wrote: Option<Instant>,
    reported: Option<Report>,
}

#[derive(Debug)]
struct Report {
    trouble: Trouble,
    _shown: ReadinessEntry,
}

/// Keeps the trouble in `/readyz` until it is dropped.
#[derive(Debug)]
enum ReadinessEntry {
    Missing { _latch: Latch },
    Degraded { _degraded: Degraded },
}

impl Health {
    pub(super) fn read_failed(&self, error: &rusqlite::Error) {
        // The others say something about writes only.
        if Trouble::of(error) == Some(Trouble::Unreadable) {
            self.change(|state| state.reading = Some(Trouble::Unreadable));
        }
    }

    /// Takes note of the outcomes of a batch of writes. `changed`: one of them changed the database.
    pub(super) fn wrote<'a>(&self, outcomes: impl Iterator<Item = &'a Result<(), DatabaseError>>, changed: bool) {
        let trouble = outcomes.filter_map(|outcome| outcome.as_ref().err().and_then(DatabaseError::trouble)).min();
        self.change(|state| match trouble {
            Some(trouble) => state.writing = Some(trouble),
            None => {
                state.wrote = Some(Instant::now());
                // An empty write gets the lock, which shows nothing about the disk.
                if changed || state.writing == Some(Trouble::Locked) {
                    state.writing = None;
                }
            }
        });
    }

    /// Takes note of a use of a database on a server. What a write met stays until a write succeeds.
    pub(super) fn used(&self, trouble: Option<Trouble>, is_write: bool) {
        self.change(|state| match trouble {
            Some(trouble) if is_write => state.writing = Some(trouble),
            Some(trouble) => state.reading = Some(trouble),
            None => {
                state.reading = None;
                if is_write {
                    state.writing = None;
                }
            }
        });
    }

    /// Returns true if the last write met a trouble.
    pub(super) fn is_write_troubled(&self) -> bool {
        self.state.lock().writing.is_some()
    }

    pub(super) fn watched_by(&self, readiness: Readiness) {
        self.change(|state| state.readiness = Some(readiness));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let full = state.short_of_room.then_some(Trouble::Full);
        // The worst one is reported.
        let trouble = [state.reading, state.writing, full].into_iter().flatten().min();
        if trouble == state.reported.as_ref().map(|report| report.trouble) {
            return;
        }
        let Some(readiness) = state.readiness.clone() else { return };
        match trouble {
            Some(trouble) => tracing::error!(trouble = trouble.name(), "the database is not fully usable"),
            None => tracing::info!("the database can be used again"),
        }
        let shown = |trouble: Trouble| match trouble {
            // Ready, because reads and deletions go on, and a deletion may be what makes room.
            Trouble::Full => ReadinessEntry::Degraded { _degraded: readiness.degraded(trouble.name()) },
            Trouble::Removed | Trouble::Unreadable | Trouble::Unreachable | Trouble::ReadOnly | Trouble::Locked => {
                ReadinessEntry::Missing { _latch: readiness.latch(trouble.name()) }
            }
        };
        state.reported = trouble.map(|trouble| Report { trouble, _shown: shown(trouble) });
    }
}

/// The probe of a database that is open.
pub(super) struct Probe {
    pub(super) writer: Arc<Mutex<Option<Writer>>>,
    pub(super) health: Arc<Health>,
    pub(super) place: Arc<DatabaseFile>,
    pub(super) application_id: i32,
}

impl Probe {
    /// Probes until the database is closed.
    pub(super) async fn run(self, readiness: Readiness) {
        self.health.watched_by(readiness);
        let (free, size) = (metrics::gauge!(metric::DISK_FREE_BYTES), metrics::gauge!(metric::DISK_SIZE_BYTES));
        while self.writer.lock().is_some() {
            self.probe_reading().await;
            self.probe_writing().await;
            // After the probes, which wait for a file system that hangs.
            if let Some((now_free, now_size)) = self.place.disk() {
                free.set(now_free as f64);
                size.set(now_size as f64);
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Opens the file as a new process would, because the open connections answer from their caches.
    async fn probe_reading(&self) {
        let place = Arc::clone(&self.place);
        let mut reading =
            tokio::task::spawn_blocking(
                move || {
                    if place.is_unchanged() { read_header(&place) } else { Err(Trouble::Removed) }
                },
            );
        let found = match tokio::time::timeout(DEADLINE, &mut reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => return,
            Err(_) => {
                self.health.change(|state| state.reading = Some(Trouble::Unreadable));
                // A thread that hangs in the file system cannot be ended, so no second one is started beside it.
                match reading.await {
                    Ok(read) => read,
                    Err(_) => return,
                }
            }
        };
        let is_read_only = self.place.is_read_only();
        self.health.change(|state| {
            if is_read_only {
                state.writing = Some(Trouble::ReadOnly);
            }
            match found {
                Ok(has_room) => (state.reading, state.short_of_room) = (None, !has_room),
                Err(trouble) => state.reading = Some(trouble),
            }
        });
    }

    /// Takes the lock if no write has taken it for a while. Writes only to find the end of a trouble, so that an idle service writes nothing.
    async fn probe_writing(&self) {
        let (troubled, wrote) = {
            let state = self.health.state.lock();
            (state.writing.is_some(), state.wrote)
        };
        if !troubled && wrote.is_some_and(|wrote| wrote.elapsed() < PERIOD) {
            return;
        }
        let mark = format!("PRAGMA application_id = {}", self.application_id);
        let write = self.writer.lock().as_ref().map(|writer| {
            writer.enqueue_probe(troubled, move |transaction| {
                // The same number again, which writes and syncs the first page.
                if troubled { transaction.execute_batch(&mark) } else { Ok(()) }
            })
        });
        // A full queue is no trouble of the database.
        let Some(Ok(result)) = write else { return };
        let begin = Instant::now();
        if tokio::time::timeout(DEADLINE, result).await.is_err() {
            // A queue that moves is long, not locked.
            self.health.change(|state| {
                if state.wrote.is_none_or(|wrote| wrote < begin) {
                    state.writing.get_or_insert(Trouble::Locked);
                }
            });
        }
    }
}

/// Reads the schema; returns true if the disk has room.
fn read_header(place: &DatabaseFile) -> Result<bool, Trouble> {
    let connection = open::reader(place.file()).map_err(|_| Trouble::Unreadable)?;
    let count = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    match count {
        Ok(_) => Ok(place.has_room(&connection)),
        // Writers are the subject of the other probe.
        Err(error) if Trouble::of(&error) == Some(Trouble::Locked) => Ok(true),
        Err(_) => Err(Trouble::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(trouble: Trouble) -> Result<(), DatabaseError> {
        Err(DatabaseError::Unusable { trouble, why: String::new() })
    }

    #[test]
    fn the_worst_trouble_is_shown_until_a_write_succeeds() {
        let (health, readiness) = (Health::default(), Readiness::default());
        health.watched_by(readiness.clone());
        health.wrote([Ok(()), Err(DatabaseError::Full)].iter(), true);
        assert!(readiness.reply().ready && readiness.reply().fallbacks == ["store-full"]);
        health.wrote([failed(Trouble::Unreadable)].iter(), true);
        assert_eq!(readiness.reply().missing, ["store-unreadable"]);
        health.wrote([Ok(())].iter(), false);
        assert!(!readiness.reply().ready, "an empty write ended the trouble");
        health.wrote([Ok(())].iter(), true);
        assert!(readiness.reply().ready && !readiness.reply().degraded);
    }
}
