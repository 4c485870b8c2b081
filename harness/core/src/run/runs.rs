//! The folder of the runs: lists the runs with their verdicts and the integrity of their records, and removes old runs.

use crate::fault::has_pending_undo;
use crate::plan::run_dir;
use crate::plan::seal::{Integrity, verify};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Prefix that a run gets in its name while it is being removed.
const REMOVED_PREFIX: &str = ".gone-";

#[derive(Debug, thiserror::Error)]
#[error("the folder of the runs `{}` cannot be used: {why}\nhint: choose another with `--runs`", path.display())]
pub struct RunsError {
    path: PathBuf,
    why: String,
}

/// A run of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// Name of its directory: start time and kind.
    pub id: String,
    pub path: PathBuf,
    /// The verdict in its report; `None` if it has no report.
    pub reported: Option<ReportedVerdict>,
    pub state: RunState,
    /// Size of all files of the run, in bytes.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// A harness is working on it.
    Running,
    /// No harness is working on it.
    Recorded(Integrity),
}

impl RunState {
    /// Returns the word for lists of runs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Recorded(integrity) => integrity.word(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReportedVerdict {
    pub verdict: String,
    /// The reason of the verdict, in one sentence.
    pub because: String,
}

/// The lock on a run directory that a harness works in. A locked run is not removed.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file is removed while it is still locked, so that no other process can lock it in between.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Lock {
    /// # Errors
    /// The file cannot be written, or another harness has the lock.
    pub fn take(run_dir: &Path) -> io::Result<Self> {
        let path = run_dir.join(run_dir::LOCK);
        let file = File::create(&path)?;
        file.try_lock()?;
        Ok(Self { _file: file, path })
    }
}

fn is_locked(run_dir: &Path) -> bool {
    let Ok(file) = File::open(run_dir.join(run_dir::LOCK)) else { return false };
    // Only the exclusive lock of a harness refuses a shared lock, so that two listings at once see no harness.
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// Creates the folder and checks that it is writable, before anything starts.
///
/// # Errors
/// The folder cannot be created, or is not writable.
pub fn prepare(runs: &Path) -> Result<(), RunsError> {
    let result = std::fs::create_dir_all(runs).and_then(|()| {
        // The name has the process id, so that two harnesses do not remove each other's file.
        let probe = runs.join(format!(".writable-{}", std::process::id()));
        File::create(&probe).and_then(|_| std::fs::remove_file(&probe))
    });
    result.map_err(|error| RunsError { path: runs.to_owned(), why: error.to_string() })
}

pub fn is_run(path: &Path) -> bool {
    path.join(run_dir::PLAN).is_file() || path.join(run_dir::GATE).is_file()
}

/// Returns the directories of the runs, newest first. Returns none if the folder does not exist.
pub fn directories(runs: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let mut directories: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    // A name begins with the start time, so the order of the names is that of the runs.
    directories.sort_unstable_by(|a, b| b.cmp(a));
    directories
}

/// Returns the runs, newest first. Reads every file of every run, to compare it with the manifest of its run.
pub fn list(runs: &Path) -> Vec<RunEntry> {
    directories(runs).into_iter().map(entry).collect()
}

fn entry(path: PathBuf) -> RunEntry {
    let state = if is_locked(&path) { RunState::Running } else { RunState::Recorded(verify(&path)) };
    RunEntry {
        id: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        reported: reported(&path),
        state,
        bytes: size(&path),
        path,
    }
}

fn reported(run_dir: &Path) -> Option<ReportedVerdict> {
    let report = std::fs::read(run_dir.join(run_dir::REPORT_JSON)).ok()?;
    serde_json::from_slice(&report).ok()
}

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneResult {
    pub removed: Vec<PathBuf>,
    /// Old runs that were kept, and why.
    pub kept: Vec<(PathBuf, String)>,
}

/// The runs of one command.
#[derive(Debug, Default)]
struct Batch {
    runs: Vec<PathBuf>,
    passed: bool,
}

/// Returns the batches, newest first. A run that was made alone, and a gate, is a batch of its own.
fn batches(runs: &Path) -> Vec<Batch> {
    #[derive(Deserialize)]
    struct PlannedBatch {
        batch: Option<String>,
    }
    let (mut batches, mut named) = (Vec::<Batch>::new(), HashMap::<String, usize>::new());
    for path in directories(runs) {
        let plan = std::fs::read(path.join(run_dir::PLAN)).ok();
        let batch = plan.and_then(|text| serde_json::from_slice::<PlannedBatch>(&text).ok()?.batch);
        let new = batches.len();
        let at = batch.map_or(new, |batch| *named.entry(batch).or_insert(new));
        if at == new {
            batches.push(Batch { runs: Vec::new(), passed: true });
        }
        batches[at].passed &= reported(&path).is_some_and(|reported| reported.verdict == "pass");
        batches[at].runs.push(path);
    }
    batches
}

/// Returns the runs to remove, so that `keep` batches remain. The newest batch stays. Of the others, the oldest that
/// passed are removed first, because a failure may still have to be analysed. Runs in `own` and runs in progress stay
/// as well, and so do runs with faults that are still to undo, because their undo log would be lost.
pub fn surplus(runs: &Path, keep: usize, own: &[PathBuf]) -> PruneResult {
    let mut surplus = PruneResult::default();
    let mut batches = batches(runs);
    let excess = batches.len().saturating_sub(keep);
    let newest = usize::from(keep > 0).min(batches.len());
    let mut older = batches.split_off(newest);
    // The sort is stable, so the oldest come first in both groups.
    older.reverse();
    older.sort_by_key(|batch| !batch.passed);
    for path in older.into_iter().take(excess).flat_map(|batch| batch.runs).filter(|path| !own.contains(path)) {
        if is_locked(&path) {
            surplus.kept.push((path, "the run is in progress".to_owned()));
        } else if has_pending_undo(&path) {
            surplus.kept.push((path, "faults are still to undo: `harness chaos recover`".to_owned()));
        } else {
            surplus.removed.push(path);
        }
    }
    surplus
}

/// Removes the runs that [`surplus`] returns.
pub fn prune(runs: &Path, keep: usize, own: &[PathBuf]) -> PruneResult {
    let surplus = surplus(runs, keep, own);
    let mut pruned = PruneResult { removed: Vec::new(), kept: surplus.kept };
    for path in surplus.removed {
        match remove(&path) {
            Ok(()) => pruned.removed.push(path),
            Err(error) => pruned.kept.push((path, format!("it cannot be removed: {error}"))),
        }
    }
    // A harness that was killed while it removed a run left the rest of the run under this prefix.
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let leftovers = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(REMOVED_PREFIX));
    leftovers.for_each(|entry| drop(std::fs::remove_dir_all(entry.path())));
    pruned
}

fn remove(path: &Path) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let gone = path.with_file_name(format!("{REMOVED_PREFIX}{name}"));
    // Renamed before it is removed, so that a half-removed run is never listed.
    std::fs::rename(path, &gone)?;
    std::fs::remove_dir_all(gone)
}

#[cfg(test)]
mod tests {
    use super::{Lock, RunState, list, prepare, prune, surplus};
    use crate::plan::run_dir;
    use crate::plan::seal::{Integrity, seal};
    use std::path::{Path, PathBuf};

    fn run(runs: &Path, id: &str) -> PathBuf {
        let path = runs.join(id);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(run_dir::PLAN), "{}").unwrap();
        std::fs::write(path.join(run_dir::REPORT_JSON), r#"{"verdict":"pass","because":"all"}"#).unwrap();
        seal(&path).unwrap();
        path
    }

    fn ids(runs: &Path) -> Vec<String> {
        list(runs).into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn runs_are_listed_newest_first_with_their_state() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (run(folder.path(), "a"), run(folder.path(), "b"));
        std::fs::create_dir(folder.path().join("notes")).unwrap();
        std::fs::write(a.join(run_dir::PLAN), "[]").unwrap();
        let lock = Lock::take(&b).unwrap();
        assert!(Lock::take(&b).is_err(), "it is locked");
        let entries = list(folder.path());
        assert_eq!(ids(folder.path()), ["b", "a"]);
        assert_eq!(entries[0].state, RunState::Running);
        assert!(matches!(entries[1].state, RunState::Recorded(Integrity::Changed(_))), "{entries:?}");
        assert_eq!(entries[1].reported.as_ref().unwrap().verdict, "pass");
        drop(lock);
        assert_eq!(list(folder.path())[0].state, RunState::Recorded(Integrity::Intact));
        assert!(list(&folder.path().join("none")).is_empty());
    }

    #[test]
    fn old_runs_are_removed_unless_they_are_in_progress_or_have_faults_to_undo() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["a", "b", "c", "d", "e"].iter().map(|id| run(folder.path(), id)).collect();
        let undo = r#"{"owed":{"id":"x","undo":{"what":"remove_file","path":"/nowhere"}}}"#;
        std::fs::write(paths[0].join(run_dir::UNDO), format!("{undo}\n")).unwrap();
        let _lock = Lock::take(&paths[1]).unwrap();
        std::fs::create_dir(folder.path().join("notes")).unwrap();
        std::fs::create_dir(folder.path().join(".gone-z")).unwrap();
        assert_eq!(surplus(folder.path(), 1, &paths[3..4]).removed, paths[2..3]);
        assert_eq!(ids(folder.path()).len(), 5, "`surplus` removes nothing");
        let pruned = prune(folder.path(), 1, &paths[3..4]);
        assert_eq!(pruned.removed, paths[2..3]);
        let why: Vec<&str> = pruned.kept.iter().map(|(_, why)| why.as_str()).collect();
        assert!(why[0].contains("faults are still to undo") && why[1].contains("in progress"), "{why:?}");
        assert_eq!(ids(folder.path()), ["e", "d", "b", "a"]);
        assert!(folder.path().join("notes").exists() && !folder.path().join(".gone-z").exists());
    }

    #[test]
    fn runs_that_passed_are_removed_before_others_and_a_batch_counts_as_one() {
        let folder = tempfile::tempdir().unwrap();
        for id in ["a", "b", "c", "d", "e", "f"] {
            run(folder.path(), id);
        }
        let report = |id: &str, verdict: &str| {
            let text = format!(r#"{{"verdict":"{verdict}","because":"it"}}"#);
            std::fs::write(folder.path().join(id).join(run_dir::REPORT_JSON), text).unwrap();
        };
        for id in ["c", "d", "e"] {
            std::fs::write(folder.path().join(id).join(run_dir::PLAN), r#"{"batch":"c"}"#).unwrap();
        }
        report("a", "fail");
        let removed = |keep| {
            let removed = surplus(folder.path(), keep, &[]).removed.into_iter();
            removed.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert!(removed(4).is_empty(), "four commands made the runs: a, b, c to e, f");
        assert_eq!(removed(3), ["b"], "the failed run `a` is older");
        assert_eq!(removed(2), ["b", "e", "d", "c"]);
        assert_eq!(removed(1), ["b", "e", "d", "c", "a"]);
        report("d", "unknown");
        assert_eq!(removed(2), ["b", "a"], "a batch passed if all of its runs did");
        assert_eq!(removed(0).len(), 6);
    }

    #[test]
    fn an_unwritable_folder_is_reported_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        prepare(&folder.path().join("deep/runs")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("deep/runs")).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = prepare(&file).unwrap_err().to_string();
        assert!(error.contains("cannot be used") && error.contains("hint:"), "{error}");
        assert!(prepare(Path::new("/proc/runs")).is_err());
    }
}
