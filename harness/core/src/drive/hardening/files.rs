//! Files of the repository, as the probe of a check reads and judges them.

use super::probe::{Probe, Stop};
use super::record::{ExchangeText, ViolationRecord};
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
    /// The part of the file, or of what it means after it was read.
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
        let path = self.repository()?.join(file);
        let size =
            std::fs::metadata(&path).map_err(|_| Stop::NotApplicable(format!("the repository has no `{file}`")))?;
        if size.len() > LARGEST {
            return Err(Stop::Unclear(format!("`{file}` has more than {LARGEST} bytes")));
        }
        std::fs::read_to_string(&path).map_err(|error| Stop::Unclear(format!("`{file}` cannot be read: {error}")))
    }

    /// Returns the names of the files in a folder of the repository that end like this, in order; none if there is no such folder.
    ///
    /// # Errors
    /// The run has no repository.
    pub fn files_in(&self, folder: &str, ends: &[&str]) -> Result<Vec<String>, Stop> {
        let entries = std::fs::read_dir(self.repository()?.join(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
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
            let read = ExchangeText { request: format!("read {file}"), reply: excerpt.to_owned(), curl: None };
            findings.violations.push(ViolationRecord {
                case: format!("{file}: {case}"),
                signs: vec![fact.to_owned(), effect.to_owned()],
                exchanges: vec![read],
                ops: Vec::new(),
            });
        }
    }
}
