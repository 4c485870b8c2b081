//! Undoes the faults of harnesses that have died, and ends their parts, from their undo logs.

use crate::plan::run_dir;
use crate::stack::undo::line::{mark_undone, read};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Number of entries of dead harnesses that were still to undo: faults and parts.
    pub found: usize,
    /// What this call has done for the entries that are undone now; one line each.
    pub undone: Vec<String>,
    /// Why the others could not be undone; one line each.
    pub failed: Vec<String>,
}

/// Undoes the faults of dead harnesses in all runs of a folder, and ends their parts. Skips the log of a harness that is running. May be
/// called at any time.
pub async fn recover(runs: &Path) -> Recovered {
    let mut recovered = Recovered::default();
    let folders = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let mut paths: Vec<_> = folders.flat_map(|entry| logs(&entry.path())).collect();
    paths.sort();
    for path in paths {
        // Most runs have no undo log: they have no fault, or none that outlives the harness.
        let Ok(log) = read(&path) else { continue };
        if log.alive {
            continue;
        }
        // The watchdog of the dead harness may be at the same entries. That does no harm: every undo may be applied
        // twice.
        for (id, undo) in log.pending.newest_first() {
            recovered.found += 1;
            // Before the undo, because it tells a part that this call ends from one that had ended.
            let action = undo.describe();
            let undone = undo.apply().await.map_err(|error| error.to_string());
            let marked = undone.and_then(|()| mark_undone(&path, &id).map_err(|error| error.to_string()));
            match marked {
                Ok(()) => recovered.undone.push(action),
                Err(why) => recovered.failed.push(format!("`{}`: {why}", path.display())),
            }
        }
    }
    recovered
}

/// Returns true if a run has faults that are still to undo.
pub fn has_pending_undo(run: &Path) -> bool {
    logs(run).iter().any(|path| read(path).is_ok_and(|log| !log.pending.is_empty()))
}

/// Returns the path of a run's undo log and, if the run is a gate, the paths of those of its inner runs.
fn logs(run: &Path) -> Vec<PathBuf> {
    let inner = std::fs::read_dir(run.join(run_dir::RUNS)).into_iter().flatten().flatten();
    std::iter::once(run.to_owned()).chain(inner.map(|entry| entry.path())).map(|run| run.join(run_dir::UNDO)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Recovered, recover};
    use crate::plan::run_dir::{RUNS, UNDO};
    use crate::stack::process_id::start_time;
    use crate::stack::undo::Undo;
    use crate::stack::undo::line::Line;
    use std::path::Path;

    /// No process has this id: the system's are below 1 << 22.
    const DEAD: Line = Line::Harness { pid: 1 << 22, started: 1 };

    fn write_log(runs: &Path, run: &str, harness: &Line, file: &Path) {
        std::fs::create_dir_all(runs.join(run)).unwrap();
        let must_undo = Line::MustUndo { id: run.to_owned(), undo: Undo::RemoveFile { path: file.to_owned() } };
        let lines = [harness, &must_undo].map(|line| serde_json::to_string(line).unwrap());
        std::fs::write(runs.join(run).join(UNDO), lines.join("\n") + "\n").unwrap();
        std::fs::write(file, "left").unwrap();
    }

    #[tokio::test]
    async fn a_fault_of_a_dead_harness_is_undone_once_and_one_of_a_running_harness_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (left, kept) = (folder.path().join("left"), folder.path().join("kept"));
        let runs = folder.path().join("runs");
        write_log(&runs.join("gate").join(RUNS), "dead", &DEAD, &left);
        let pid = std::process::id();
        write_log(&runs, "alive", &Line::Harness { pid, started: start_time(pid).unwrap() }, &kept);
        let undone = vec![format!("removed `{}`", left.display())];
        assert_eq!(recover(&runs).await, Recovered { found: 1, undone, failed: Vec::new() });
        assert!(!left.exists() && kept.exists());
        assert_eq!(recover(&runs).await, Recovered::default(), "a second time there is nothing to undo");
        assert_eq!(recover(&folder.path().join("none")).await, Recovered::default());
    }

    #[tokio::test]
    async fn a_failure_is_reported_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        // A folder cannot be removed as a file.
        let stubborn = folder.path().join("stubborn");
        write_log(&runs, "dead", &DEAD, &stubborn);
        std::fs::remove_file(&stubborn).unwrap();
        std::fs::create_dir(&stubborn).unwrap();
        let recovered = recover(&runs).await;
        assert_eq!((recovered.found, recovered.undone.len(), recovered.failed.len()), (1, 0, 1));
        std::fs::remove_dir(&stubborn).unwrap();
        assert_eq!(recover(&runs).await.undone.len(), 1);
    }
}
