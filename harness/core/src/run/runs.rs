//! The folder of the runs: what is in there, how each of them ended, whether it is still what was recorded, and which are kept.

use crate::fault::has_pending_undo;
use crate::plan::run_dir;
use crate::plan::seal::{Wholeness, wholeness};
use serde::Deserialize;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Beginning of the name of a run that is being removed.
const GONE: &str = ".gone-";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder of the runs `{}` cannot be used: {why}\nhint: choose another with `--runs`", path.display())]
pub struct RunsError {
    path: PathBuf,
    why: String,
}

/// A run in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: when it began and what it is.
    pub id: String,
    /// Where it is.
    pub path: PathBuf,
    /// What its report says; nothing where there is none.
    pub said: Option<Said>,
    /// How it is.
    pub state: State,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// How a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Some harness works on it.
    Running,
    /// It was recorded, or began to be.
    Recorded(Wholeness),
}

impl State {
    /// The word for lists.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Recorded(wholeness) => wholeness.word(),
        }
    }
}

/// What a report says of its run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Said {
    /// Its verdict.
    pub verdict: String,
    /// The reason of the verdict, in one sentence.
    pub because: String,
}

/// Held as long as somebody works in a run directory, so that nobody removes it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Gone while it is still held, so that nobody takes it in between.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// It cannot be written, or another harness has it.
    pub fn take(run_dir: &Path) -> io::Result<Self> {
        let path = run_dir.join(run_dir::LOCK);
        let file = File::create(&path)?;
        file.try_lock()?;
        Ok(Self { _file: file, path })
    }
}

fn is_held(run_dir: &Path) -> bool {
    let Ok(file) = File::open(run_dir.join(run_dir::LOCK)) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// Makes the folder and sees that something can be written in there, before anything is started for it.
///
/// # Errors
/// It cannot.
pub fn prepare(runs: &Path) -> Result<(), RunsError> {
    let tried = std::fs::create_dir_all(runs).and_then(|()| {
        let probe = runs.join(format!(".writable-{}", std::process::id()));
        File::create(&probe).and_then(|_| std::fs::remove_file(&probe))
    });
    tried.map_err(|error| RunsError { path: runs.to_owned(), why: error.to_string() })
}

/// Tells whether a directory is that of a run.
pub fn is_run(path: &Path) -> bool {
    path.join(run_dir::PLAN).is_file() || path.join(run_dir::GATE).is_file()
}

/// The directories of the runs, the newest first. A folder that is not there has none.
pub fn directories(runs: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

/// The runs, the newest first. Every one is read as a whole to see whether it still is what was recorded.
pub fn list(runs: &Path) -> Vec<Entry> {
    directories(runs).into_iter().map(entry).collect()
}

fn entry(path: PathBuf) -> Entry {
    let said = std::fs::read(path.join(run_dir::REPORT_JSON)).ok();
    let state = if is_held(&path) { State::Running } else { State::Recorded(wholeness(&path)) };
    Entry {
        id: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        said: said.and_then(|text| serde_json::from_slice(&text).ok()),
        state,
        bytes: size(&path),
        path,
    }
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

/// What was removed, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs that are gone.
    pub removed: Vec<PathBuf>,
    /// Runs that were spared although they are old, and why.
    pub spared: Vec<(PathBuf, String)>,
}

/// The runs beyond the newest `keep`; those of `own` are never among them. What a run still has to undo is not thrown away with it.
pub fn surplus(runs: &Path, keep: usize, own: &[PathBuf]) -> Pruned {
    let mut found = Pruned::default();
    for path in directories(runs).into_iter().skip(keep).filter(|path| !own.contains(path)) {
        if is_held(&path) {
            found.spared.push((path, "the run is in progress".to_owned()));
        } else if has_pending_undo(&path) {
            found.spared.push((path, "faults are still to undo: `harness chaos recover`".to_owned()));
        } else {
            found.removed.push(path);
        }
    }
    found
}

/// Removes what [`surplus`] finds.
pub fn prune(runs: &Path, keep: usize, own: &[PathBuf]) -> Pruned {
    let found = surplus(runs, keep, own);
    let mut pruned = Pruned { removed: Vec::new(), spared: found.spared };
    for path in found.removed {
        match remove(&path) {
            Ok(()) => pruned.removed.push(path),
            Err(error) => pruned.spared.push((path, format!("it cannot be removed: {error}"))),
        }
    }
    // Whoever was killed while removing left half a run under a name that nobody lists.
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let left = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(GONE));
    left.for_each(|entry| drop(std::fs::remove_dir_all(entry.path())));
    pruned
}

fn remove(path: &Path) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let gone = path.with_file_name(format!("{GONE}{name}"));
    std::fs::rename(path, &gone)?;
    std::fs::remove_dir_all(gone)
}

#[cfg(test)]
mod tests {
    use super::{Lock, State, list, prepare, prune, surplus};
    use crate::plan::run_dir;
    use crate::plan::seal::{Wholeness, seal};
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
    fn the_newest_come_first_and_each_says_how_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (run(folder.path(), "a"), run(folder.path(), "b"));
        std::fs::create_dir(folder.path().join("notes")).unwrap();
        std::fs::write(a.join(run_dir::PLAN), "[]").unwrap();
        let lock = Lock::take(&b).unwrap();
        assert!(Lock::take(&b).is_err(), "it is held");
        let entries = list(folder.path());
        assert_eq!(ids(folder.path()), ["b", "a"]);
        assert_eq!(entries[0].state, State::Running);
        assert!(matches!(entries[1].state, State::Recorded(Wholeness::Changed(_))), "{entries:?}");
        assert_eq!(entries[1].said.as_ref().unwrap().verdict, "pass");
        drop(lock);
        assert_eq!(list(folder.path())[0].state, State::Recorded(Wholeness::Whole));
        assert!(list(&folder.path().join("none")).is_empty());
    }

    #[test]
    fn the_oldest_go_and_what_is_needed_stays() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["a", "b", "c", "d", "e"].iter().map(|id| run(folder.path(), id)).collect();
        let undo = r#"{"owed":{"id":"x","undo":{"what":"remove_file","path":"/nowhere"}}}"#;
        std::fs::write(paths[0].join(run_dir::UNDO), format!("{undo}\n")).unwrap();
        let _lock = Lock::take(&paths[1]).unwrap();
        std::fs::create_dir(folder.path().join("notes")).unwrap();
        std::fs::create_dir(folder.path().join(".gone-z")).unwrap();
        assert_eq!(surplus(folder.path(), 1, &paths[3..4]).removed, paths[2..3]);
        assert_eq!(ids(folder.path()).len(), 5, "looking removes nothing");
        let pruned = prune(folder.path(), 1, &paths[3..4]);
        assert_eq!(pruned.removed, paths[2..3]);
        let why: Vec<&str> = pruned.spared.iter().map(|(_, why)| why.as_str()).collect();
        assert!(why[0].contains("in progress") && why[1].contains("faults to undo"), "{why:?}");
        assert_eq!(ids(folder.path()), ["e", "d", "b", "a"]);
        assert!(folder.path().join("notes").exists() && !folder.path().join(".gone-z").exists());
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
