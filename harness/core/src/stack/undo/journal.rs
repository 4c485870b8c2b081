//! The journal of a run's faults, `undo.jsonl`: what is to be undone is on the disk before anything is done, and struck once it is undone.
//! Whoever finds the journal of a dead harness can undo what it left.

use super::Undo;
use crate::stack::reaper::{is_alive, start_time};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// A harness begins to inject faults.
    Harness {
        /// Its process.
        pid: u32,
        /// When it started, in clock ticks since boot.
        started: u64,
    },
    /// Something is about to be done.
    Owed {
        /// Its name in the journal.
        id: String,
        /// What undoes it.
        undo: Undo,
    },
    /// It is undone.
    Done {
        /// Its name in the journal.
        id: String,
    },
}

/// An open journal.
pub(crate) struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal and writes down whose it is.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let journal = Self { file: Mutex::new(file) };
        let pid = std::process::id();
        let started = start_time(pid).ok_or_else(|| io::Error::other("this process cannot be seen in `/proc`"))?;
        journal.write(&Line::Harness { pid, started })?;
        Ok(journal)
    }

    /// Writes a line and waits until it is on the disk.
    pub(crate) fn write(&self, line: &Line) -> io::Result<()> {
        let mut file = self.file.lock();
        append(&mut file, line)
    }
}

fn append(file: &mut File, line: &Line) -> io::Result<()> {
    // One write for one line: several processes may append.
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Strikes an entry of a journal that somebody else began.
pub(crate) fn strike(path: &Path, id: &str) -> io::Result<()> {
    append(&mut OpenOptions::new().append(true).open(path)?, &Line::Done { id: id.to_owned() })
}

/// What a journal says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// Whether a harness that wrote it still lives.
    pub(crate) alive: bool,
    /// What is not undone, the last first.
    pub(crate) owed: Vec<(String, Undo)>,
}

/// Reads a journal; a line that was cut off is nothing that was done, since nothing is done before its line is written.
pub(crate) fn read(path: &Path) -> io::Result<Read> {
    let text = std::fs::read_to_string(path)?;
    let mut found = Read::default();
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Harness { pid, started } => found.alive |= is_alive(pid, started),
            Line::Owed { id, undo } => found.owed.insert(0, (id, undo)),
            Line::Done { id } => found.owed.retain(|(other, _)| *other != id),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Journal, Line, read, strike};
    use crate::stack::undo::Undo;
    use std::io::Write;

    fn owed(id: &str) -> Line {
        Line::Owed { id: id.to_owned(), undo: Undo::RemoveFile { path: id.into() } }
    }

    #[test]
    fn what_was_not_struck_is_owed_the_last_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("undo.jsonl");
        let journal = Journal::open(&path).unwrap();
        ["a", "b", "c"].iter().for_each(|id| journal.write(&owed(id)).unwrap());
        journal.write(&Line::Done { id: "b".to_owned() }).unwrap();
        let found = read(&path).unwrap();
        assert!(found.alive, "this very process wrote it");
        assert_eq!(found.owed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c", "a"]);
        strike(&path, "c").unwrap();
        assert_eq!(read(&path).unwrap().owed.len(), 1);
    }

    #[test]
    fn a_line_that_was_cut_off_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("undo.jsonl");
        let mut file = std::fs::File::create(&path).unwrap();
        let text = serde_json::to_string(&owed("a")).unwrap();
        write!(file, "{text}\n{}", &text[..text.len() / 2]).unwrap();
        let found = read(&path).unwrap();
        assert_eq!((found.owed.len(), found.alive), (1, false));
    }
}
