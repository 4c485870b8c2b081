//! Files of the repository, as the probe of a check reads and judges them.

use super::mask::masked;
use super::probe::{Probe, Stop};
use super::record::{ExchangeText, ViolationRecord};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// What a file has that it must not have, or lacks.
#[derive(Debug, Clone, Copy)]
pub struct FileCase<'a> {
    /// Path below the repository.
    pub file: &'a str,
    /// What is judged, such as `memory: the root of the file system is read-only`.
    pub case: &'a str,
    pub holds: bool,
    /// What the file says.
    pub fact: &'a str,
    /// What happens because of it.
    pub effect: &'a str,
    /// The words of the file that show the fact, and no others: a file may have secrets.
    pub excerpt: &'a str,
}

impl Probe<'_> {
    /// Returns the folder of the sources, which a check with `Need::Repository` has.
    ///
    /// # Errors
    /// The run has none.
    pub fn repository(&self) -> Result<&Path, Stop> {
        self.repository.ok_or_else(|| Stop::NotApplicable("the run has no repository".to_owned()))
    }

    /// Reads a file of the repository. A file that does not exist makes the check not applicable, because another repository may be built in another way.
    ///
    /// # Errors
    /// It does not exist, or it cannot be read.
    pub fn read_file(&self, file: &str) -> Result<String, Stop> {
        self.find_file(file)?.ok_or_else(|| Stop::NotApplicable(format!("the repository has no `{file}`")))
    }

    /// As [`Probe::read_file`]; `None` if there is no such file.
    ///
    /// # Errors
    /// It cannot be read, or it is outside of the repository.
    pub fn find_file(&self, file: &str) -> Result<Option<String>, Stop> {
        read_below(self.repository()?, file).map_err(|why| Stop::Unclear(format!("`{file}` {why}")))
    }

    /// Returns the names of the files in a folder of the repository that end like this, in order; none if there is no such folder.
    ///
    /// # Errors
    /// The run has no repository.
    pub fn files_in(&self, folder: &str, ends: &[&str]) -> Result<Vec<String>, Stop> {
        let entries = std::fs::read_dir(self.repository()?.join(folder)).into_iter().flatten().flatten();
        let files = entries.filter(|entry| std::fs::metadata(entry.path()).is_ok_and(|entry| entry.is_file()));
        let names = files.filter_map(|entry| entry.file_name().into_string().ok());
        let wanted = names.filter(|name| ends.iter().any(|end| name.ends_with(end)));
        let mut files: Vec<String> = wanted.map(|name| format!("{folder}/{name}")).collect();
        files.sort();
        Ok(files)
    }

    /// Judges a file. Nothing stands between a file and its reader, so one fact is enough, other than for a reply (decision 0062).
    pub fn judge_file(&self, judged: FileCase<'_>) {
        let FileCase { file, case, holds, fact, effect, excerpt } = judged;
        let mut findings = self.findings.lock();
        findings.cases += 1;
        if !holds {
            let reply = masked(excerpt.as_bytes(), &self.secrets());
            let read = ExchangeText { request: format!("read {file}"), reply, curl: None };
            findings.violations.push(ViolationRecord {
                case: format!("{file}: {case}"),
                file: Some(file.to_owned()),
                signs: vec![fact.to_owned(), effect.to_owned()],
                exchanges: vec![read],
                ops: Vec::new(),
            });
        }
    }
}

/// Reads a file below a folder; `None` if it does not exist. A link may not lead out of the folder, because the report shows a part of the file, and a
/// device or a pipe has no end.
fn read_below(folder: &Path, file: &str) -> Result<Option<String>, String> {
    let path = folder.join(file);
    if std::fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let (folder, path) = (folder.canonicalize().map_err(unreadable)?, path.canonicalize().map_err(unreadable)?);
    if !path.starts_with(&folder) {
        return Err("is a link to a file outside of the repository".to_owned());
    }
    if !std::fs::metadata(&path).is_ok_and(|found| found.is_file()) {
        return Err("is no ordinary file".to_owned());
    }
    let mut text = String::new();
    let opened = File::open(&path).map_err(unreadable)?;
    // A file may grow after its size was read.
    opened.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(format!("has more than {LARGEST} bytes"));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, read_below};
    use std::os::unix::fs::symlink;

    #[test]
    fn only_ordinary_files_of_the_repository_are_read() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("key"), "secret").unwrap();
        std::fs::write(inside.path().join("real"), "text").unwrap();
        let link = |target: &std::path::Path, name: &str| symlink(target, inside.path().join(name)).unwrap();
        link(&outside.path().join("key"), "out");
        link(std::path::Path::new("/dev/zero"), "endless");
        link(std::path::Path::new("real"), "within");
        link(std::path::Path::new("missing"), "dangling");
        std::fs::create_dir(inside.path().join("folder")).unwrap();
        let pipe = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&inside.path().join("pipe"), pipe).unwrap();
        let read = |file: &str| read_below(inside.path(), file);
        assert_eq!((read("real"), read("within")), (Ok(Some("text".to_owned())), Ok(Some("text".to_owned()))));
        assert_eq!(read("none"), Ok(None));
        for file in ["out", "endless", "dangling", "folder", "pipe"] {
            assert!(read(file).is_err(), "{file}");
        }
    }

    #[test]
    fn a_file_above_the_largest_size_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |size: u64| std::fs::write(folder.path().join("a"), vec![b'a'; size as usize]).unwrap();
        write(LARGEST);
        assert!(read_below(folder.path(), "a").is_ok());
        write(LARGEST + 1);
        assert!(read_below(folder.path(), "a").is_err());
    }
}
