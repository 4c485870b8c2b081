//! What harnesses that are dead have left: found by their journals, undone and struck.

use crate::plan::run_dir;
use crate::stack::undo::journal::{read, strike};
use std::path::{Path, PathBuf};

/// What was found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Faults that dead harnesses had left in their journals.
    pub found: usize,
    /// Of these, the ones that are undone now.
    pub undone: usize,
    /// Of these, the ones that are not, and why.
    pub failed: Vec<String>,
}

/// Undoes what dead harnesses have left in the runs of a folder. Journals of a harness that lives are left alone; where there is nothing to
/// undo nothing is done, so that it may be called at any time.
pub async fn recover(runs: &Path) -> Recovered {
    let mut recovered = Recovered::default();
    let folders = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let mut found: Vec<_> = folders.flat_map(|entry| journals(&entry.path())).collect();
    found.sort();
    for path in found {
        let Ok(journal) = read(&path) else { continue };
        if journal.alive {
            continue;
        }
        for (id, undo) in journal.owed {
            recovered.found += 1;
            let undone = undo.apply().await.map_err(|error| error.to_string());
            let struck = undone.and_then(|()| strike(&path, &id).map_err(|error| error.to_string()));
            match struck {
                Ok(()) => recovered.undone += 1,
                Err(why) => recovered.failed.push(format!("`{}`: {why}", path.display())),
            }
        }
    }
    recovered
}

/// Tells whether a run has something to undo that nobody has undone.
pub fn owes(run: &Path) -> bool {
    journals(run).iter().any(|path| read(path).is_ok_and(|journal| !journal.owed.is_empty()))
}

/// The journals of a run, and where it is a gate those of its runs.
fn journals(run: &Path) -> Vec<PathBuf> {
    let inner = std::fs::read_dir(run.join(run_dir::RUNS)).into_iter().flatten().flatten();
    std::iter::once(run.to_owned()).chain(inner.map(|entry| entry.path())).map(|run| run.join(run_dir::UNDO)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Recovered, recover};
    use crate::stack::undo::Undo;
    use crate::stack::undo::journal::{Journal, Line};
    use std::path::Path;

    fn journal(runs: &Path, run: &str, harness: &Line, file: &Path) {
        std::fs::create_dir_all(runs.join(run)).unwrap();
        let owed = Line::Owed { id: run.to_owned(), undo: Undo::RemoveFile { path: file.to_owned() } };
        let lines = [harness, &owed].map(|line| serde_json::to_string(line).unwrap());
        std::fs::write(runs.join(run).join(crate::plan::run_dir::UNDO), lines.join("\n") + "\n").unwrap();
        std::fs::write(file, "left").unwrap();
    }

    #[tokio::test]
    async fn what_a_dead_harness_left_is_undone_once_and_a_living_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (left, kept) = (folder.path().join("left"), folder.path().join("kept"));
        let runs = folder.path().join("runs");
        // The run of a gate lies in it.
        journal(
            &runs.join("gate").join(crate::plan::run_dir::RUNS),
            "dead",
            &Line::Harness { pid: 1 << 22, started: 1 },
            &left,
        );
        journal(&runs, "alive", &Line::Harness { pid: 1 << 22, started: 1 }, &kept);
        drop(Journal::open(&runs.join("alive").join(crate::plan::run_dir::UNDO)).unwrap());
        assert_eq!(recover(&runs).await, Recovered { found: 1, undone: 1, failed: Vec::new() });
        assert!(!left.exists() && kept.exists());
        assert_eq!(recover(&runs).await, Recovered::default(), "a second time there is nothing left to do");
        assert_eq!(recover(&folder.path().join("none")).await, Recovered::default());
    }

    #[tokio::test]
    async fn what_cannot_be_undone_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        // A folder with something in it cannot be removed as a file.
        let stubborn = folder.path().join("stubborn");
        journal(&runs, "dead", &Line::Harness { pid: 1 << 22, started: 1 }, &stubborn);
        std::fs::remove_file(&stubborn).unwrap();
        std::fs::create_dir(&stubborn).unwrap();
        let recovered = recover(&runs).await;
        assert_eq!((recovered.found, recovered.undone, recovered.failed.len()), (1, 0, 1));
        std::fs::remove_dir(&stubborn).unwrap();
        assert_eq!(recover(&runs).await.undone, 1);
    }
}
