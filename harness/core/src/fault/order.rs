//! One fault that is being injected, as its kind sees it: the stack, and the books in which it is written down before it is done.

use super::book::{Book, Owed};
use super::error::FaultError;
use crate::plan::run_dir;
use crate::stack::reaper::Reaper;
use crate::stack::undo::Undo;
use crate::stack::{RunningPart, Stack, StackError};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One fault that is being injected, as its kind sees it.
pub(super) struct Order<'i, 'a> {
    books: &'i Books<'a>,
    /// Name of the fault.
    pub(super) name: String,
}

impl<'i, 'a> Order<'i, 'a> {
    pub(super) const fn new(books: &'i Books<'a>, name: String) -> Self {
        Self { books, name }
    }

    pub(super) const fn stack(&self) -> &'a Stack {
        self.books.stack
    }

    /// The part as it is now.
    pub(super) fn part(&self, name: &str) -> Result<RunningPart, FaultError> {
        self.stack().part(name).ok_or_else(|| self.refused(format!("there is no part `{name}`")))
    }

    /// Its process and when it started.
    pub(super) fn process(&self, part: &RunningPart) -> Result<(u32, u64), FaultError> {
        let seen = part.pid.zip(part.started);
        seen.ok_or_else(|| self.refused(format!("the process of `{}` cannot be seen from here", part.name)))
    }

    /// The process that does a part's work, and when it started: behind a broken service that stands before it, the real one.
    pub(super) fn worker(&self, part: &RunningPart) -> Result<(u32, u64), FaultError> {
        let (pid, started) = self.process(part)?;
        let lies = self.stack().request().topology.part(&part.name).is_some_and(|part| !part.lies.is_empty());
        if !lies {
            return Ok((pid, started));
        }
        let processes = procfs::process::all_processes().map_err(|error| self.refused(error))?;
        let mut stats = processes.flatten().filter_map(|process| process.stat().ok());
        let child = stats.find(|stat| stat.ppid == pid.cast_signed() && stat.state != 'Z');
        let child =
            child.ok_or_else(|| self.refused(format!("the real service behind `{}` is not there", part.name)))?;
        Ok((child.pid.cast_unsigned(), child.starttime))
    }

    /// Writes down and tells what will have to be undone; must come before it is done.
    pub(super) fn owe(&self, undo: Undo) -> Result<Owed, FaultError> {
        self.books.book()?.owe(undo)
    }

    pub(super) fn refused(&self, why: impl ToString) -> FaultError {
        FaultError::Refused { fault: self.name.clone(), why: why.to_string() }
    }

    pub(super) fn no_effect(&self, why: impl ToString) -> FaultError {
        FaultError::NoEffect { fault: self.name.clone(), why: why.to_string() }
    }

    pub(super) fn stack_failed(&self, source: StackError) -> FaultError {
        FaultError::Stack { fault: self.name.clone(), source }
    }
}

/// Where the faults of a stack are written down; opened with the first of them.
pub(super) struct Books<'a> {
    stack: &'a Stack,
    journal: PathBuf,
    book: Mutex<Option<Arc<Book>>>,
}

impl<'a> Books<'a> {
    pub(super) fn new(stack: &'a Stack, run_dir: &Path) -> Self {
        Self { stack, journal: run_dir.join(run_dir::UNDO), book: Mutex::default() }
    }

    /// The journal and the watchdog; the watchdog of the stack where it has one.
    fn book(&self) -> Result<Arc<Book>, FaultError> {
        let mut book = self.book.lock();
        if let Some(book) = &*book {
            return Ok(Arc::clone(book));
        }
        let (watchdog, own) = match self.stack.reaper() {
            Some(reaper) => (Arc::clone(reaper), false),
            None => {
                let started = Reaper::start(&self.stack.request().executable);
                (Arc::new(started.map_err(|error| FaultError::Watchdog { why: error.to_string() })?), true)
            }
        };
        Ok(Arc::clone(book.insert(Book::open(self.journal.clone(), watchdog, own)?)))
    }
}
