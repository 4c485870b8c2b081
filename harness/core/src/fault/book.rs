//! Who is told of a fault before it is injected: the journal on the disk, for whoever comes later, and the watchdog, a process that undoes at
//! once what a harness leaves behind, whatever ended it.

use super::error::FaultError;
use crate::stack::reaper::Reaper;
use crate::stack::undo::Undo;
use crate::stack::undo::journal::{Journal, Line};
use std::path::PathBuf;
use std::sync::Arc;

/// The journal of a run and its watchdog.
pub(super) struct Book {
    path: PathBuf,
    journal: Journal,
    watchdog: Arc<Reaper>,
    /// True where nobody else ends the watchdog.
    own: bool,
}

impl Book {
    pub(super) fn open(path: PathBuf, watchdog: Arc<Reaper>, own: bool) -> Result<Arc<Self>, FaultError> {
        let journal =
            Journal::open(&path).map_err(|error| FaultError::Journal { path: path.clone(), why: error.to_string() })?;
        Ok(Arc::new(Self { path, journal, watchdog, own }))
    }

    /// Writes down and tells what will have to be undone.
    pub(super) fn owe(self: &Arc<Self>, undo: Undo) -> Result<Owed, FaultError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let line = Line::Owed { id: id.clone(), undo: undo.clone() };
        self.journal
            .write(&line)
            .map_err(|error| FaultError::Journal { path: self.path.clone(), why: error.to_string() })?;
        self.watchdog.watch_undo(&id, &undo, &self.path);
        Ok(Owed { book: Arc::clone(self), id, undo, settled: false })
    }

    fn strike(&self, id: &str) {
        // A line that is not written costs a second undoing, which does no harm.
        let _ = self.journal.write(&Line::Done { id: id.to_owned() });
        self.watchdog.strike_undo(id);
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        if self.own {
            self.watchdog.close();
        }
    }
}

/// Something that will have to be undone. Dropped, it is undone at once where that takes no waiting; otherwise the watchdog does it now.
pub(super) struct Owed {
    book: Arc<Book>,
    id: String,
    undo: Undo,
    settled: bool,
}

impl Owed {
    /// Undoes it, makes sure of it and strikes it from every list.
    pub(super) async fn settle(mut self, fault: &str) -> Result<(), FaultError> {
        let undone = self.undo.apply().await;
        undone.map_err(|error| FaultError::NotHealed { fault: fault.to_owned(), why: error.to_string() })?;
        self.settled = true;
        self.book.strike(&self.id);
        Ok(())
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        match self.undo.at_once() {
            Some(Ok(())) => self.book.strike(&self.id),
            Some(Err(_)) | None => self.book.watchdog.undo_now(&self.id),
        }
    }
}
