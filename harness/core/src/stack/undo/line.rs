//! The format of an undo log, `undo.jsonl`: one line for each undo, and another line when it was applied. The harness,
//! the watchdog and `harness chaos recover` share this module. Only the harness uses `undo_log.rs`, which writes the
//! log while faults are injected.

use super::Undo;
use crate::stack::process_id::is_alive;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A line of an undo log. The serialized words differ from the names of the variants, because `harness chaos recover`
/// must be able to read existing logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The harness process that writes the lines after this one. `started` is in clock ticks since boot.
    Harness { pid: u32, started: u64 },
    /// Written before the fault is injected.
    #[serde(rename = "owed")]
    MustUndo { id: String, undo: Undo },
    #[serde(rename = "done")]
    Undone { id: String },
}

impl Line {
    /// Appends this line, and returns when it is on the disk.
    pub(in crate::stack) fn append(&self, file: &mut File) -> io::Result<()> {
        // One write per line, because the harness and its watchdog append to the same file and lines must not be mixed.
        let mut text = serde_json::to_string(self)?;
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }
}

/// The entries of a log that are not undone yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Oldest first.
    entries: Vec<(String, Undo)>,
}

impl Pending {
    pub(crate) fn read(&mut self, line: Line) {
        match line {
            Line::Harness { .. } => {}
            Line::MustUndo { id, undo } => self.entries.push((id, undo)),
            Line::Undone { id } => self.entries.retain(|(other, _)| *other != id),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Undo> {
        self.entries.iter().find(|(other, _)| other == id).map(|(_, undo)| undo)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the entries in the order in which they must be undone: the newest first, because a later fault may have
    /// acted on the result of an earlier one.
    pub(crate) fn newest_first(self) -> impl Iterator<Item = (String, Undo)> {
        self.entries.into_iter().rev()
    }
}

/// The content of an undo log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LogContent {
    /// True if a harness that has written to the log is still running.
    pub(crate) alive: bool,
    pub(crate) pending: Pending,
}

/// Reads an undo log. Skips a line that was cut off: its fault was never injected, because a fault is injected only
/// after its whole line is on the disk.
pub(crate) fn read(path: &Path) -> io::Result<LogContent> {
    let text = std::fs::read_to_string(path)?;
    let mut content = LogContent::default();
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        if let Line::Harness { pid, started } = line {
            content.alive |= is_alive(pid, started);
        }
        content.pending.read(line);
    }
    Ok(content)
}

/// Marks an entry as undone in a log that another process may be writing.
pub(crate) fn mark_undone(path: &Path, id: &str) -> io::Result<()> {
    Line::Undone { id: id.to_owned() }.append(&mut OpenOptions::new().append(true).open(path)?)
}

#[cfg(test)]
mod tests {
    use super::{Line, Pending, mark_undone, read};
    use crate::stack::undo::Undo;
    use std::io::Write;

    fn must_undo(id: &str) -> Line {
        Line::MustUndo { id: id.to_owned(), undo: Undo::RemoveFile { path: id.into() } }
    }

    fn ids(pending: Pending) -> Vec<String> {
        pending.newest_first().map(|(id, _)| id).collect()
    }

    #[test]
    fn entries_that_are_not_undone_are_pending_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("undo.jsonl");
        let mut file = std::fs::File::create(&path).unwrap();
        ["a", "b", "c"].iter().for_each(|id| must_undo(id).append(&mut file).unwrap());
        mark_undone(&path, "b").unwrap();
        assert_eq!(ids(read(&path).unwrap().pending), ["c", "a"]);
        mark_undone(&path, "c").unwrap();
        assert_eq!(ids(read(&path).unwrap().pending), ["a"]);
    }

    #[test]
    fn a_line_that_was_cut_off_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("undo.jsonl");
        let mut file = std::fs::File::create(&path).unwrap();
        let text = serde_json::to_string(&must_undo("a")).unwrap();
        write!(file, "{text}\n{}", &text[..text.len() / 2]).unwrap();
        let content = read(&path).unwrap();
        assert_eq!((ids(content.pending), content.alive), (vec!["a".to_owned()], false));
    }

    #[test]
    fn the_words_of_the_format_stay() {
        let text = |line: &Line| serde_json::to_string(line).unwrap();
        assert!(text(&must_undo("a")).starts_with(r#"{"owed":{"id":"a","undo":{"#));
        assert_eq!(text(&Line::Undone { id: "a".to_owned() }), r#"{"done":{"id":"a"}}"#);
        assert_eq!(text(&Line::Harness { pid: 1, started: 2 }), r#"{"harness":{"pid":1,"started":2}}"#);
    }
}
