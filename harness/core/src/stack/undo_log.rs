//! The undo log of a run. Before a fault is injected, its undo is written to the disk and sent to the watchdog. When the
//! fault is healed, a guard applies the undo and marks the entry as undone. The parts of a stack that ends with the
//! harness have entries too, whose undo ends them (decision 0034).
//!
//! The guard alone is not enough, because `kill -9` runs no destructor. The watchdog alone is not enough, because it
//! can be killed too: then `harness chaos recover` reads the file (decision 0016).

use super::undo::line::Line;
use super::undo::{Undo, UndoError};
use crate::stack::process_id::start_time;
use crate::stack::reaper::Reaper;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the undo log cannot be written. Then no fault is injected and no part is started.
#[derive(Debug, thiserror::Error)]
pub enum UndoLogError {
    #[error("the undo log `{}` cannot be written, so nothing is started or injected: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the watchdog process cannot be started, so nothing is started or injected: {0}")]
    Watchdog(io::Error),
}

/// The undo log of a run. The first entry creates the file and starts the watchdog, because an external stack whose
/// faults exist only in this process needs neither.
pub(crate) struct UndoLog {
    path: PathBuf,
    executable: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    file: File,
    watchdog: Reaper,
}

impl UndoLog {
    /// `executable` is the program of the harness, from which the watchdog is started.
    pub(crate) fn new(path: PathBuf, executable: &Path) -> Arc<Self> {
        Arc::new(Self { path, executable: executable.to_owned(), open: Mutex::default() })
    }

    /// Records the undo of a fault on the disk and at the watchdog. The fault may be injected when this has returned.
    pub(crate) fn must_undo(self: &Arc<Self>, undo: Undo) -> Result<UndoGuard, UndoLogError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let line = Line::MustUndo { id: id.clone(), undo: undo.clone() };
        // Held until both have the line, so that two faults have the same order in the file and at the watchdog, which
        // undo the newest first.
        let mut open = self.open.lock();
        let open = match open.as_mut() {
            Some(open) => open,
            None => open.insert(self.open()?),
        };
        // The file first: if the harness dies between the two, `harness chaos recover` still finds the entry.
        line.append(&mut open.file).map_err(|error| self.unwritable(error))?;
        open.watchdog.record(&self.path, line);
        Ok(UndoGuard { log: Arc::clone(self), id, undo, undone: false })
    }

    fn open(&self) -> Result<Open, UndoLogError> {
        let mut file = self.create().map_err(|error| self.unwritable(error))?;
        let pid = std::process::id();
        let started = start_time(pid).ok_or_else(|| io::Error::other("this process is not in `/proc`"));
        // This line identifies the harness, so that `harness chaos recover` skips the log while the harness is running.
        let line = started.map(|started| Line::Harness { pid, started });
        line.and_then(|line| line.append(&mut file)).map_err(|error| self.unwritable(error))?;
        let watchdog = Reaper::start(&self.executable).map_err(UndoLogError::Watchdog)?;
        Ok(Open { file, watchdog })
    }

    fn create(&self) -> io::Result<File> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        // Syncing a file does not sync its name: without this a power failure could leave a fault and no log.
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(file)
    }

    fn unwritable(&self, source: io::Error) -> UndoLogError {
        UndoLogError::File { path: self.path.clone(), source }
    }

    fn mark_undone(&self, id: &str) {
        let line = Line::Undone { id: id.to_owned() };
        if let Some(open) = self.open.lock().as_mut() {
            // If the line is lost, the undo is applied a second time, which does no harm.
            let _ = line.append(&mut open.file);
            open.watchdog.record(&self.path, line);
        }
    }

    fn undo_by_watchdog(&self, id: &str) {
        if let Some(open) = self.open.lock().as_ref() {
            open.watchdog.undo_now(&self.path, id);
        }
    }
}

impl Drop for UndoLog {
    fn drop(&mut self) {
        if let Some(Open { watchdog, .. }) = self.open.get_mut() {
            watchdog.close();
        }
    }
}

/// An entry of the undo log that is still to undo. A guard that is dropped applies the undo in its destructor, or lets
/// the watchdog apply it if that needs waiting.
pub(crate) struct UndoGuard {
    log: Arc<UndoLog>,
    id: String,
    undo: Undo,
    undone: bool,
}

impl UndoGuard {
    /// Applies the undo, verifies its effect, and marks the entry in the log. On a failure the guard is dropped, so the
    /// watchdog tries again.
    pub(crate) async fn undo(mut self) -> Result<(), UndoError> {
        self.undo.apply().await?;
        self.undone = true;
        self.log.mark_undone(&self.id);
        Ok(())
    }
}

impl Drop for UndoGuard {
    fn drop(&mut self) {
        if self.undone {
            return;
        }
        // A destructor cannot wait for Redis or Docker; the watchdog can.
        match self.undo.at_once() {
            Some(Ok(())) => self.log.mark_undone(&self.id),
            Some(Err(_)) | None => self.log.undo_by_watchdog(&self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Undo, UndoLog};
    use crate::stack::undo::line::read;

    #[tokio::test]
    async fn an_entry_is_in_the_file_until_it_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (folder.path().join("undo.jsonl"), folder.path().join("left"));
        // Any program that ends with its input stands for the watchdog.
        let log = UndoLog::new(path.clone(), "/bin/true".as_ref());
        assert!(!path.exists(), "a run without an entry has no log");
        std::fs::write(&file, "").unwrap();
        let guard = log.must_undo(Undo::RemoveFile { path: file.clone() }).unwrap();
        let content = read(&path).unwrap();
        assert!(content.alive && !content.pending.is_empty(), "this process wrote it");
        guard.undo().await.unwrap();
        assert!(!file.exists() && read(&path).unwrap().pending.is_empty());

        std::fs::write(&file, "").unwrap();
        drop(log.must_undo(Undo::RemoveFile { path: file.clone() }).unwrap());
        assert!(!file.exists() && read(&path).unwrap().pending.is_empty(), "a dropped guard undoes too");
    }

    #[test]
    fn without_a_log_nothing_may_be_injected() {
        let folder = tempfile::tempdir().unwrap();
        let log = UndoLog::new(folder.path().join("missing/undo.jsonl"), "/bin/true".as_ref());
        let error = log.must_undo(Undo::RemoveFile { path: "a".into() }).err().unwrap().to_string();
        assert!(error.contains("so nothing is started or injected"), "{error}");
        let log = UndoLog::new(folder.path().join("undo.jsonl"), "/no/such/program".as_ref());
        let error = log.must_undo(Undo::RemoveFile { path: "a".into() }).err().unwrap().to_string();
        assert!(error.contains("the watchdog process cannot be started"), "{error}");
    }
}
