//! Makes a run directory tamper-evident: each file is written as a whole or not at all, and when everything is
//! recorded, a manifest with the checksum of each file seals the record (decision 0017). Findings and reports are not
//! sealed, because they are derived from the record and can be written again.

use crate::plan::{history_files, run_dir};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Number of bytes that one read requests.
const BLOCK_BYTES: usize = 1 << 16;
/// Maximum number of changed files that a message lists.
const MAX_LISTED: usize = 3;
/// The files that are sealed, besides those of the history and those in [`FOLDERS`].
// Not the undo log: `harness chaos recover` appends to it after the run.
const RECORDED: [&str; 10] = [
    run_dir::PLAN,
    run_dir::GATE,
    run_dir::SAMPLES,
    run_dir::EXPECTATIONS,
    run_dir::SCENARIO,
    run_dir::HARDENING,
    run_dir::EXPERIMENT,
    run_dir::CONDITIONS,
    run_dir::DRIVER,
    run_dir::SURROUNDINGS,
];
/// The folders whose files are sealed.
const FOLDERS: [&str; 2] = [run_dir::METRICS, run_dir::LOGS];

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    files: BTreeMap<String, Checksum>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checksum {
    bytes: u64,
    sha256: String,
}

/// The result of comparing a run directory with its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    Intact,
    /// There is no manifest: the run did not end, or it was killed before it wrote the manifest.
    Unsealed,
    /// One line for each file that differs from the manifest.
    Changed(Vec<String>),
}

impl Integrity {
    /// Returns why the record cannot prove a pass; `None` if it is intact.
    pub fn doubt(&self) -> Option<String> {
        match self {
            Self::Intact => None,
            Self::Unsealed => Some(format!(
                "the record was never closed: there is no `{}`, so the run was cut off before its end",
                run_dir::MANIFEST
            )),
            Self::Changed(files) => {
                let listed = files.len().min(MAX_LISTED);
                let more =
                    if files.len() > listed { format!(" and {} more", files.len() - listed) } else { String::new() };
                Some(format!("the record was changed after the run: {}{more}", files[..listed].join(", ")))
            }
        }
    }

    /// Returns the state as a word, for lists of runs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Intact => "whole",
            Self::Unsealed => "cut off",
            Self::Changed(_) => "changed",
        }
    }
}

/// Writes a file as a whole: under a temporary name, which is changed to the final name when all bytes are on the disk.
/// Removes the temporary file on an error.
///
/// # Errors
/// It cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // In the same folder, because a rename replaces a file in one step only within a file system.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = PathBuf::from(temporary);
    let result = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        // Without this, a power loss after the rename could leave an empty file under the final name.
        file.sync_data()?;
        std::fs::rename(&temporary, path)
    });
    if result.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

/// Seals a record, and reads all its files for that. [`Checksums::seal`] reuses files that were already read.
///
/// # Errors
/// A file cannot be read, or the manifest cannot be written.
pub fn seal(run_dir: &Path) -> io::Result<()> {
    Checksums::default().seal(run_dir)
}

/// Compares a run directory with its manifest, and reads all its files for that. [`Checksums::verify`] reuses files that were already read.
pub fn verify(run_dir: &Path) -> Integrity {
    Checksums::default().verify(run_dir)
}

/// Hashes a file while a parser reads it, so that the record is read only once.
pub struct HashedFile {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl HashedFile {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, hash: Sha256::new(), bytes: 0 })
    }

    fn finish(self) -> Checksum {
        Checksum { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) }
    }
}

impl Read for HashedFile {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(block)?;
        self.hash.update(&block[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Checksums of the files that were already read. The other files are read when the record is sealed or verified.
#[derive(Default)]
pub struct Checksums(BTreeMap<String, Checksum>);

impl Checksums {
    /// Adds a file that was read to its end; `name` is its path within the run directory.
    pub fn insert(&mut self, name: &str, file: HashedFile) {
        self.0.insert(name.to_owned(), file.finish());
    }

    /// Seals the record: writes its manifest.
    ///
    /// # Errors
    /// A file cannot be read, or the manifest cannot be written.
    pub fn seal(&self, run_dir: &Path) -> io::Result<()> {
        let checksum = |name: String| self.checksum(run_dir, &name).map(|checksum| (name, checksum));
        let files = recorded(run_dir)?.into_iter().map(checksum).collect::<io::Result<_>>()?;
        let text = serde_json::to_vec_pretty(&Manifest { format: 1, files })?;
        write_whole(&run_dir.join(run_dir::MANIFEST), &text)
    }

    /// Compares a run directory with its manifest.
    pub fn verify(&self, run_dir: &Path) -> Integrity {
        let Ok(text) = std::fs::read(run_dir.join(run_dir::MANIFEST)) else { return Integrity::Unsealed };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else {
            return Integrity::Changed(vec![format!("`{}` is not a manifest", run_dir::MANIFEST)]);
        };
        let mut changes = Vec::new();
        for (name, sealed) in &manifest.files {
            match self.checksum(run_dir, name) {
                Ok(now) if now == *sealed => {}
                // Reported apart, because a shorter file points to a copy that was interrupted or to a full disk.
                Ok(now) if now.bytes < sealed.bytes => {
                    changes.push(format!("`{name}` has {} of its {} bytes", now.bytes, sealed.bytes));
                }
                Ok(_) => changes.push(format!("`{name}` has other contents")),
                Err(_) => changes.push(format!("`{name}` is missing")),
            }
        }
        // A folder that cannot be read adds no name here. Its sealed files were reported as missing above.
        let added = recorded(run_dir).unwrap_or_default().into_iter().filter(|name| !manifest.files.contains_key(name));
        changes.extend(added.map(|name| format!("`{name}` was added")));
        if changes.is_empty() { Integrity::Intact } else { Integrity::Changed(changes) }
    }

    fn checksum(&self, run_dir: &Path, name: &str) -> io::Result<Checksum> {
        if let Some(checksum) = self.0.get(name) {
            return Ok(checksum.clone());
        }
        let (mut file, mut block) = (HashedFile::open(&run_dir.join(name))?, vec![0; BLOCK_BYTES]);
        while file.read(&mut block)? > 0 {}
        Ok(file.finish())
    }
}

/// Returns the recorded files that exist, as paths within the run. The record of a gate includes the manifests of its runs.
fn recorded(run_dir: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        RECORDED.iter().filter(|name| run_dir.join(name).is_file()).map(|name| (*name).to_owned()).collect();
    names.extend(history_files::list(run_dir)?);
    for folder in FOLDERS {
        for entry in entries(&run_dir.join(folder))? {
            if entry.path().is_file() {
                names.push(format!("{folder}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    // The manifest of an inner run is enough, because it covers the files of that run.
    for entry in entries(&run_dir.join(run_dir::RUNS))? {
        let name = format!("{}/{}/{}", run_dir::RUNS, entry.file_name().to_string_lossy(), run_dir::MANIFEST);
        if run_dir.join(&name).is_file() {
            names.push(name);
        }
    }
    // `read_dir` has no order, and the same change must always give the same message.
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

#[cfg(test)]
mod tests {
    use super::{Checksums, HashedFile, Integrity, seal, verify, write_whole};
    use crate::plan::run_dir;

    fn sealed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("logs")).unwrap();
        std::fs::write(dir.path().join(run_dir::PLAN), "{}").unwrap();
        std::fs::write(dir.path().join(run_dir::HISTORY), "one\ntwo\n").unwrap();
        std::fs::write(dir.path().join("logs/memory.log"), "serving\n").unwrap();
        seal(dir.path()).unwrap();
        assert_eq!(verify(dir.path()), Integrity::Intact);
        dir
    }

    #[test]
    fn every_change_of_a_record_is_reported_with_the_name_of_the_file() {
        type Change = fn(&std::path::Path) -> std::io::Result<()>;
        let cases: [(Change, &str); 7] = [
            (|dir| std::fs::write(dir.join(run_dir::HISTORY), "one\n"), "`history.jsonl` has 4 of its 8 bytes"),
            (|dir| std::fs::write(dir.join(run_dir::HISTORY), "one\ntoo\n"), "`history.jsonl` has other contents"),
            (|dir| std::fs::remove_file(dir.join("logs/memory.log")), "`logs/memory.log` is missing"),
            (|dir| std::fs::write(dir.join(run_dir::DRIVER), "{}"), "`driver.json` was added"),
            (|dir| std::fs::write(dir.join(run_dir::HARDENING), "{}"), "`hardening.jsonl` was added"),
            (|dir| std::fs::write(dir.join(run_dir::MANIFEST), "{"), "`manifest.json` is not a manifest"),
            (|dir| std::fs::remove_file(dir.join(run_dir::MANIFEST)), "never closed"),
        ];
        for (change, expected) in cases {
            let dir = sealed();
            change(dir.path()).unwrap();
            let doubt = verify(dir.path()).doubt().unwrap();
            assert!(doubt.contains(expected), "`{expected}` is missing in {doubt}");
        }
    }

    #[test]
    fn a_file_that_was_read_is_sealed_and_verified_as_it_was_read() {
        let dir = sealed();
        let path = dir.path().join(run_dir::HISTORY);
        let mut file = HashedFile::open(&path).unwrap();
        std::io::copy(&mut file, &mut std::io::sink()).unwrap();
        let mut checksums = Checksums::default();
        checksums.insert(run_dir::HISTORY, file);
        std::fs::write(&path, "changed after it was read\n").unwrap();
        assert_eq!(checksums.verify(dir.path()), Integrity::Intact, "the checks judge the lines that were read");
        checksums.seal(dir.path()).unwrap();
        assert!(matches!(verify(dir.path()), Integrity::Changed(_)), "the manifest covers the lines that were read");
    }

    #[test]
    fn findings_and_reports_may_be_written_again() {
        let dir = sealed();
        for name in [run_dir::FINDINGS, run_dir::REPORT_HTML, run_dir::UNDO] {
            std::fs::write(dir.path().join(name), "again").unwrap();
        }
        assert_eq!(verify(dir.path()), Integrity::Intact);
    }

    #[test]
    fn a_file_is_written_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.html");
        write_whole(&path, b"first").unwrap();
        // A folder has the temporary name, so the file cannot be written.
        std::fs::create_dir(dir.path().join("report.html.part")).unwrap();
        assert!(write_whole(&path, b"second").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert!(write_whole(&dir.path().join("no/report.html"), b"x").is_err());
        assert!(!dir.path().join("no").exists());
    }
}
