//! The catalogue of patterns, which are data files. If any file has a problem, the whole catalogue is refused.

mod built_in;
mod model;
mod read;

use crate::index::{Index, Texts};
use crate::template::Template;
use mcp_contracts::metric;
use mcp_contracts::patterns::PatternDetail;
use mcp_kit::data::folder::{FolderLimits, read as read_folder};
use mcp_kit::data::{DataFile, FolderData, Problem, Problems, did_you_mean};
pub use model::{CatalogFile, Entry, schema};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Maximum number of patterns in a catalogue.
pub const MAX_PATTERNS: usize = 5_000;
const LIMITS: FolderLimits = FolderLimits { files: 256, file_bytes: 2 << 20 };
/// Hexadecimal digits of a version.
// 64 bits: enough to distinguish catalogues, and short enough to read in a log.
const VERSION_DIGITS: usize = 16;

/// A pattern with its parsed body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub detail: PatternDetail,
    /// Text with `{{variable}}` placeholders.
    // Not a part of `detail`, which every caller can read.
    pub body: String,
    pub template: Template,
}

/// A checked catalogue.
#[derive(Debug)]
pub struct Catalog {
    patterns: Vec<Pattern>,
    by_id: HashMap<String, usize>,
    index: Index,
    version: String,
}

impl FolderData for Catalog {
    const NAME: &'static str = "catalog";
    const METRIC: &'static str = metric::PATTERN_CATALOG_RELOADS_TOTAL;
    const OUTCOMES: [&'static str; 2] = ["loaded", "refused"];

    fn read_files(folder: &Path) -> Result<Vec<DataFile>, Vec<Problem>> {
        let files = read_folder(folder, None, LIMITS)?;
        // A folder replaces the built-in catalogue, so an empty one would leave the service without any pattern.
        if files.is_empty() {
            let message = "the folder has no catalogue file (`*.yaml`)";
            return Err(vec![Problem::of_file(folder.display().to_string(), message)]);
        }
        Ok(files)
    }

    fn from_files(files: Vec<DataFile>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let files: Vec<(String, read::ReadFile)> = files
            .into_iter()
            .map(|file| {
                let read = read::file(&file.name, &file.text, &mut problems);
                (file.name, read)
            })
            .collect();
        problems.extend(compare(&files));
        if !problems.is_empty() {
            return Err(Problems::new(Self::NAME, problems));
        }
        let entries = files.into_iter().flat_map(|(_, read)| {
            let CatalogFile { category, patterns } = read.file;
            patterns.into_iter().map(move |entry| (category.clone(), entry))
        });
        Ok(Self::of(entries.map(|(category, entry)| pattern(category, entry)).collect()))
    }

    fn version(&self) -> &str {
        Self::version(self)
    }
}

impl Catalog {
    /// Reads the catalogue that is part of the program.
    ///
    /// # Errors
    /// Never in a release, because a test reads it.
    pub fn built_in() -> Result<Self, Problems> {
        let file = |(name, text): &(&str, &str)| DataFile { name: (*name).to_owned(), text: (*text).to_owned() };
        Self::from_files(built_in::FILES.iter().map(file).collect())
    }

    fn of(mut patterns: Vec<Pattern>) -> Self {
        // By id, so that the version does not depend on how the patterns are spread over files.
        patterns.sort_by(|one, other| one.detail.id.cmp(&other.detail.id));
        let mut digest = Sha256::new();
        for pattern in &patterns {
            let detail = serde_json::to_vec(&pattern.detail).unwrap_or_default();
            for text in [detail.as_slice(), pattern.body.as_bytes()] {
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text);
            }
        }
        let mut version = hex::encode(digest.finalize());
        version.truncate(VERSION_DIGITS);
        let by_id = patterns.iter().enumerate().map(|(at, pattern)| (pattern.detail.id.clone(), at)).collect();
        Self { index: Index::of(patterns.iter().map(texts)), by_id, version, patterns }
    }

    /// Returns every pattern, in the order of the ids.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    pub fn get(&self, id: &str) -> Option<&Pattern> {
        self.by_id.get(id).map(|at| &self.patterns[*at])
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Returns a digest of all patterns.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn categories(&self) -> BTreeSet<&str> {
        self.patterns.iter().map(|pattern| pattern.detail.category.as_str()).collect()
    }
}

/// Finds problems between patterns: repeated ids, related ids that do not exist, too many patterns.
fn compare(files: &[(String, read::ReadFile)]) -> Vec<Problem> {
    let problem = |file: &str, line, entry: &Entry, message| Problem {
        file: file.to_owned(),
        line,
        item: Some(entry.id.clone()),
        message,
    };
    let mut problems = Vec::new();
    // All ids are collected before relations are checked, because a pattern may name one of a later file.
    let mut first: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let all =
        || files.iter().flat_map(|(name, read)| read.file.patterns.iter().zip(&read.lines).map(move |it| (name, it)));
    for (name, (entry, lines)) in all().filter(|(_, (entry, _))| !entry.id.is_empty()) {
        if let Some((file, line)) = first.get(entry.id.as_str()) {
            problems.push(problem(name, lines.id, entry, format!("the id is taken by a pattern in {file}:{line}")));
        } else {
            first.insert(&entry.id, (name, lines.id));
        }
    }
    for (name, (entry, lines)) in all() {
        for (related, line) in entry.related.iter().zip(&lines.related) {
            let message = if *related == entry.id {
                "the pattern is related to itself".to_owned()
            } else if first.contains_key(related.as_str()) {
                continue;
            } else {
                format!("no pattern has the id `{related}`{}", did_you_mean(related, first.keys().copied()))
            };
            problems.push(problem(name, *line, entry, message));
        }
    }
    if let Some((name, (entry, lines))) = all().nth(MAX_PATTERNS) {
        let message = format!("the catalogue has more than {MAX_PATTERNS} patterns");
        problems.push(problem(name, lines.id, entry, message));
    }
    problems
}

fn pattern(category: String, entry: Entry) -> Pattern {
    // The malformed placeholders were reported when the file was read; a catalogue with one does not get here.
    let (template, _) = Template::parse(&entry.body);
    let detail = PatternDetail {
        id: entry.id,
        title: entry.title,
        category,
        summary: entry.summary,
        tags: entry.tags,
        roles: entry.roles,
        level: entry.level,
        plan: entry.plan,
        body: String::new(),
        variables: entry.variables,
        related: entry.related,
    };
    Pattern { detail, body: entry.body, template }
}

/// Returns the texts by which a search finds a pattern.
fn texts(pattern: &Pattern) -> Texts {
    let detail = &pattern.detail;
    Texts {
        title: detail.title.clone(),
        tags: detail.tags.join(" "),
        category: detail.category.clone(),
        summary: detail.summary.clone(),
        body: pattern.template.plain(),
    }
}

#[cfg(test)]
mod fuzz;
