//! What makes a run directory whole: files are written whole or not at all, and once everything is recorded a manifest with the checksum of
//! each file closes it. Who reads a run asks first whether it is still what was recorded. What is derived from the record (findings,
//! reports) is not sealed: it can be made again.

use crate::plan::run_dir;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes read at once.
const BLOCK_BYTES: usize = 1 << 16;
/// Most changed files that are told by name.
const MOST_TOLD: usize = 3;
/// The files that are recorded, besides those in the folders.
const RECORDED: [&str; 9] = [
    run_dir::PLAN,
    run_dir::GATE,
    run_dir::HISTORY,
    run_dir::SAMPLES,
    run_dir::EXPECTATIONS,
    run_dir::SCENARIO,
    run_dir::EXPERIMENT,
    run_dir::DRIVER,
    run_dir::SURROUNDINGS,
];
/// The folders whose files are recorded.
const FOLDERS: [&str; 2] = [run_dir::METRICS, run_dir::LOGS];

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    files: BTreeMap<String, Sum>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    bytes: u64,
    sha256: String,
}

/// How a run directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wholeness {
    /// It is what was recorded.
    Whole,
    /// It was never closed: the run did not come to its end, or the end was cut off.
    Unsealed,
    /// These are not what was recorded, each with what is wrong.
    Changed(Vec<String>),
}

impl Wholeness {
    /// What keeps the run from proving anything; nothing where it is whole.
    pub fn doubt(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Unsealed => Some(format!(
                "the record was never closed: there is no `{}`, so that the run was cut off before its end",
                run_dir::MANIFEST
            )),
            Self::Changed(files) => {
                let (told, more) = (files.len().min(MOST_TOLD), files.len().saturating_sub(MOST_TOLD));
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Some(format!("the record was changed after the run: {}{more}", files[..told].join(", ")))
            }
        }
    }

    /// The word for lists.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Unsealed => "cut off",
            Self::Changed(_) => "changed",
        }
    }
}

/// Writes a file whole: beside its place first, and into it only once everything is on the disk. Where it cannot be written nothing is left.
///
/// # Errors
/// It cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Closes the record.
///
/// # Errors
/// A file cannot be read, or the manifest cannot be written.
pub fn seal(run_dir: &Path) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for name in recorded(run_dir)? {
        let sum = sum(&run_dir.join(&name))?;
        files.insert(name, sum);
    }
    let text = serde_json::to_vec_pretty(&Manifest { format: 1, files })?;
    write_whole(&run_dir.join(run_dir::MANIFEST), &text)
}

/// Asks whether a run directory is still what was recorded.
pub fn wholeness(run_dir: &Path) -> Wholeness {
    let manifest = std::fs::read(run_dir.join(run_dir::MANIFEST));
    let Ok(text) = manifest else { return Wholeness::Unsealed };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else {
        return Wholeness::Changed(vec![format!("`{}` is none", run_dir::MANIFEST)]);
    };
    let mut wrong = Vec::new();
    for (name, sealed) in &manifest.files {
        match sum(&run_dir.join(name)) {
            Ok(found) if found == *sealed => {}
            Ok(found) if found.bytes < sealed.bytes => {
                wrong.push(format!("`{name}` has {} of its {} bytes", found.bytes, sealed.bytes));
            }
            Ok(_) => wrong.push(format!("`{name}` has other contents")),
            Err(_) => wrong.push(format!("`{name}` is gone")),
        }
    }
    let added = recorded(run_dir).unwrap_or_default().into_iter().filter(|name| !manifest.files.contains_key(name));
    wrong.extend(added.map(|name| format!("`{name}` was added")));
    if wrong.is_empty() { Wholeness::Whole } else { Wholeness::Changed(wrong) }
}

/// Names of the recorded files that are there, as paths within the run; the manifests of the runs of a gate are its record too.
fn recorded(run_dir: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        RECORDED.iter().filter(|name| run_dir.join(name).is_file()).map(|name| (*name).to_owned()).collect();
    for folder in FOLDERS {
        for entry in entries(&run_dir.join(folder))? {
            if entry.path().is_file() {
                names.push(format!("{folder}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    for entry in entries(&run_dir.join(run_dir::RUNS))? {
        let name = format!("{}/{}/{}", run_dir::RUNS, entry.file_name().to_string_lossy(), run_dir::MANIFEST);
        if run_dir.join(&name).is_file() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn entries(folder: &Path) -> io::Result<Vec<std::fs::DirEntry>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn sum(path: &Path) -> io::Result<Sum> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut block) = (Sha256::new(), 0, vec![0; BLOCK_BYTES]);
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(Sum { bytes, sha256: hex::encode(hash.finalize()) });
        }
        bytes += read as u64;
        hash.update(&block[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Wholeness, seal, wholeness, write_whole};
    use crate::plan::run_dir;

    fn sealed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("logs")).unwrap();
        std::fs::write(dir.path().join(run_dir::PLAN), "{}").unwrap();
        std::fs::write(dir.path().join(run_dir::HISTORY), "one\ntwo\n").unwrap();
        std::fs::write(dir.path().join("logs/memory.log"), "serving\n").unwrap();
        seal(dir.path()).unwrap();
        assert_eq!(wholeness(dir.path()), Wholeness::Whole);
        dir
    }

    #[test]
    fn whatever_is_changed_in_a_record_is_told_by_name() {
        type Change = fn(&std::path::Path) -> std::io::Result<()>;
        let cases: [(Change, &str); 6] = [
            (|dir| std::fs::write(dir.join(run_dir::HISTORY), "one\n"), "`history.jsonl` has 4 of its 8 bytes"),
            (|dir| std::fs::write(dir.join(run_dir::HISTORY), "one\ntoo\n"), "`history.jsonl` has other contents"),
            (|dir| std::fs::remove_file(dir.join("logs/memory.log")), "`logs/memory.log` is gone"),
            (|dir| std::fs::write(dir.join(run_dir::DRIVER), "{}"), "`driver.json` was added"),
            (|dir| std::fs::write(dir.join(run_dir::MANIFEST), "{"), "`manifest.json` is none"),
            (|dir| std::fs::remove_file(dir.join(run_dir::MANIFEST)), "never closed"),
        ];
        for (change, told) in cases {
            let dir = sealed();
            change(dir.path()).unwrap();
            let doubt = wholeness(dir.path()).doubt().unwrap();
            assert!(doubt.contains(told), "`{told}` is missing in {doubt}");
        }
    }

    #[test]
    fn what_is_derived_may_be_written_again() {
        let dir = sealed();
        for name in [run_dir::FINDINGS, run_dir::REPORT_HTML, run_dir::UNDO] {
            std::fs::write(dir.path().join(name), "again").unwrap();
        }
        assert_eq!(wholeness(dir.path()), Wholeness::Whole);
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.html");
        write_whole(&path, b"first").unwrap();
        // Its place beside is taken by a folder, so that nothing can be written there.
        std::fs::create_dir(dir.path().join("report.html.part")).unwrap();
        assert!(write_whole(&path, b"second").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert!(write_whole(&dir.path().join("no/report.html"), b"x").is_err());
        assert!(!dir.path().join("no").exists());
    }
}
