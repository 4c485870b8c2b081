//! The list of the undos that the reaper must apply, and the code that applies them.

use crate::stack::undo::Undo;
use crate::stack::undo::line::{Line, Pending, mark_undone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A message to the reaper. Each is one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// This line was written to the undo log.
    Recorded { log: PathBuf, line: Line },
    /// The reaper must apply this entry now, because the harness cannot wait for it.
    UndoNow { log: PathBuf, id: String },
}

#[derive(Default)]
pub(super) struct List {
    /// The pending entries of each undo log. A harness usually writes one log.
    logs: BTreeMap<PathBuf, Pending>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl List {
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Recorded { log, line } => self.logs.entry(log).or_default().read(line),
            Message::UndoNow { log, id } => {
                // An entry that cannot be undone now stays pending and is tried again at the end.
                let undo = self.logs.get(&log).and_then(|pending| pending.get(&id)).cloned();
                if undo.is_some_and(|undo| self.undo(&log, &id, &undo)) {
                    self.logs.entry(log).or_default().read(Line::Undone { id });
                }
            }
        }
    }

    /// The newest first, because the undo of a fault may need its part, which started before: a Redis that answers, a
    /// process that is resumed.
    pub(super) fn end(mut self) {
        for (log, pending) in std::mem::take(&mut self.logs) {
            for (id, undo) in pending.newest_first() {
                self.undo(&log, &id, &undo);
            }
        }
    }

    fn undo(&mut self, log: &Path, id: &str, undo: &Undo) -> bool {
        let undone = matches!(self.block_on(undo.apply()), Some(Ok(())));
        if undone {
            // Fails if the run directory was removed in the meantime. Then no one can read the log either.
            let _ = mark_undone(log, id);
        }
        undone
    }

    /// The runtime is started when it is first used, because most reapers undo nothing.
    fn block_on<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        if self.runtime.is_none() {
            self.runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok();
        }
        self.runtime.as_ref().map(|runtime| runtime.block_on(future))
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, List, Message, Undo};

    #[test]
    fn pending_entries_are_undone_on_request_or_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("undo.jsonl");
        std::fs::write(&log, "").unwrap();
        let mut list = List::default();
        for id in ["now", "healed", "left"] {
            let path = folder.path().join(id);
            std::fs::write(&path, "").unwrap();
            let line = Line::MustUndo { id: id.to_owned(), undo: Undo::RemoveFile { path } };
            list.take(Message::Recorded { log: log.clone(), line });
        }
        list.take(Message::UndoNow { log: log.clone(), id: "now".to_owned() });
        list.take(Message::Recorded { log: log.clone(), line: Line::Undone { id: "healed".to_owned() } });
        assert!(!folder.path().join("now").exists() && folder.path().join("left").exists());
        list.end();
        assert!(folder.path().join("healed").exists() && !folder.path().join("left").exists());
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), 2, "both are marked as undone in the log: {text}");
    }

    #[test]
    fn a_message_is_one_line() {
        let recorded = Message::Recorded { log: "/a\nb".into(), line: Line::Undone { id: "a".to_owned() } };
        for message in [Message::UndoNow { log: "/a".into(), id: "a".to_owned() }, recorded] {
            let line = serde_json::to_string(&message).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Message>(&line).unwrap(), message);
        }
    }
}
