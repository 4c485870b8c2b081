//! Reads the files of the repository, without git: a release archive has none.

use std::path::{Path, PathBuf};

/// What builds and runs write, and what is not ours.
const SKIPPED: &[&str] = &[".git", ".harness", "Cargo.lock", "data", "dist", "logs", "runs", "target"];

pub(crate) struct File {
    /// Relative to the root, with `/` between its parts.
    pub(crate) path: String,
    /// Empty if the file is not text.
    pub(crate) text: String,
}

impl File {
    pub(crate) fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

/// The root of the repository. Cargo sets the variable for every test that it runs.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this test");
    Path::new(&manifest).join("../..").canonicalize().unwrap()
}

/// Returns every file below `root`, sorted by path.
pub(crate) fn files(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if !SKIPPED.contains(&entry.file_name().to_str().unwrap()) {
            collect(&entry.path(), entry.file_name().into_string().unwrap(), &mut files);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(path: &Path, relative: String, files: &mut Vec<File>) {
    // A link may lead out of the repository.
    if path.is_symlink() {
        return;
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            collect(&entry.path(), format!("{relative}/{}", entry.file_name().into_string().unwrap()), files);
        }
    } else {
        let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap_or_default();
        files.push(File { path: relative, text });
    }
}
