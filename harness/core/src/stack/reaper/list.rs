//! The reaper's list: what is on it, and what becomes of it.

use super::end_process;
use crate::stack::labelled;
use crate::stack::undo::Undo;
use crate::stack::undo::journal::strike;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the reaper is told, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// A process was started.
    Process {
        pid: u32,
        /// In clock ticks since boot.
        started: u64,
    },
    /// Everything of Docker with this label was made.
    Label { label: String },
    /// This will have to be undone.
    Undo {
        id: String,
        undo: Undo,
        /// Where it is struck once it is undone.
        journal: PathBuf,
    },
    /// It is undone.
    Struck { id: String },
    /// It is to be undone at once.
    Now { id: String },
    /// Everything was stopped in order.
    Done,
}

/// Everything that is not struck.
#[derive(Default)]
pub(super) struct List {
    processes: BTreeMap<u32, u64>,
    labels: Vec<String>,
    undos: Vec<Owed>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Owed {
    id: String,
    undo: Undo,
    journal: PathBuf,
}

impl List {
    pub(super) fn follow(&mut self, order: Order) {
        match order {
            Order::Process { pid, started } => {
                self.processes.insert(pid, started);
            }
            Order::Label { label } => self.labels.push(label),
            Order::Undo { id, undo, journal } => self.undos.push(Owed { id, undo, journal }),
            Order::Struck { id } => self.undos.retain(|owed| owed.id != id),
            Order::Now { id } => {
                if let Some(at) = self.undos.iter().position(|owed| owed.id == id) {
                    let owed = self.undos.remove(at);
                    if !self.undo(&owed) {
                        // Tried again at the end.
                        self.undos.insert(at, owed);
                    }
                }
            }
            // What is still owed is undone all the same: a fault may be on something that outlives the stack.
            Order::Done => {
                self.processes.clear();
                self.labels.clear();
            }
        }
    }

    /// Undoes what is owed, the last first, then ends what was started: what hangs on a part that stands still is undone while there is one.
    pub(super) fn end(mut self) {
        while let Some(owed) = self.undos.pop() {
            self.undo(&owed);
        }
        for (pid, started) in std::mem::take(&mut self.processes) {
            end_process(pid, started, Signal::SIGKILL);
        }
        for label in std::mem::take(&mut self.labels) {
            self.block_on(labelled::remove(&label));
        }
    }

    fn undo(&mut self, owed: &Owed) -> bool {
        let undone = matches!(self.block_on(owed.undo.apply()), Some(Ok(())));
        if undone {
            // A journal that is gone with its folder needs no striking.
            let _ = strike(&owed.journal, &owed.id);
        }
        undone
    }

    fn block_on<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        if self.runtime.is_none() {
            self.runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok();
        }
        self.runtime.as_ref().map(|runtime| runtime.block_on(future))
    }
}

#[cfg(test)]
mod tests {
    use super::{List, Order};
    use crate::stack::undo::Undo;

    #[test]
    fn what_is_not_struck_is_undone_now_or_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("undo.jsonl");
        std::fs::write(&journal, "").unwrap();
        let mut list = List::default();
        for id in ["now", "struck", "left"] {
            let path = folder.path().join(id);
            std::fs::write(&path, "").unwrap();
            list.follow(Order::Undo { id: id.to_owned(), undo: Undo::RemoveFile { path }, journal: journal.clone() });
        }
        list.follow(Order::Now { id: "now".to_owned() });
        list.follow(Order::Struck { id: "struck".to_owned() });
        assert!(!folder.path().join("now").exists() && folder.path().join("left").exists());
        list.end();
        assert!(folder.path().join("struck").exists() && !folder.path().join("left").exists());
        let text = std::fs::read_to_string(&journal).unwrap();
        assert_eq!(text.lines().count(), 2, "both are struck from the journal: {text}");
    }

    #[test]
    fn an_order_is_one_line() {
        for order in [Order::Done, Order::Process { pid: 1, started: 2 }, Order::Label { label: "a\nb".to_owned() }] {
            let line = serde_json::to_string(&order).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Order>(&line).unwrap(), order);
        }
    }
}
