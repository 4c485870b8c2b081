//! The catalogue: patterns as data, read as a whole or refused as a whole with everything that is wrong. It knows nothing of callers.

mod built_in;
mod fields;
pub mod live;
mod model;
mod problem;
mod read;

use crate::index::{Index, Texts};
use crate::template::Template;
use mcp_contracts::patterns::PatternDetail;
pub use model::{CatalogFile, Entry, schema};
pub(crate) use problem::did_you_mean;
pub use problem::{CatalogError, Problem};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Most patterns of a catalogue.
pub const MAX_PATTERNS: usize = 5_000;
/// Most files of a folder.
const MAX_FILES: usize = 256;
/// Largest file, in bytes.
const MAX_FILE_BYTES: u64 = 2 << 20;
/// Digits of a version.
const VERSION_DIGITS: usize = 16;

/// A pattern that can be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Everything that people see of it.
    pub detail: PatternDetail,
    /// Its text with its places.
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

impl Catalog {
    /// The catalogue that every release brings with it.
    ///
    /// # Errors
    /// Never, in a release: a test reads it.
    pub fn built_in() -> Result<Self, CatalogError> {
        Self::from_texts(built_in::FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    /// Reads every `*.yaml` and `*.yml` of a folder, in the order of their names.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn from_folder(folder: &Path) -> Result<Self, CatalogError> {
        let unreadable = |file: &Path, what: String| Problem { file: file.display().to_string(), line: 1, what };
        let fatal = |what: String| CatalogError { problems: vec![unreadable(folder, what)] };
        let files = live::files(folder).map_err(|error| fatal(format!("the folder cannot be read: {error}")))?;
        if files.is_empty() || files.len() > MAX_FILES {
            return Err(fatal(format!("{} catalogue files (`*.yaml`); it holds 1 to {MAX_FILES}", files.len())));
        }
        let (mut texts, mut problems) = (Vec::new(), Vec::new());
        for file in files {
            match read_file(&file) {
                Ok(text) => texts.push((file.display().to_string(), text)),
                Err(what) => problems.push(unreadable(&file, what)),
            }
        }
        match Self::from_texts(texts) {
            Ok(catalog) if problems.is_empty() => Ok(catalog),
            Ok(_) => Err(CatalogError { problems }),
            Err(error) => {
                problems.extend(error.problems);
                Err(CatalogError { problems })
            }
        }
    }

    /// Reads files that are given as name and text.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn from_texts(texts: impl IntoIterator<Item = (String, String)>) -> Result<Self, CatalogError> {
        let files: Vec<(String, read::ReadFile)> =
            texts.into_iter().map(|(name, text)| (name, read::file(&text))).collect();
        let mut problems = compare(&files);
        for (name, file) in &files {
            let of_file =
                |flaw: &mcp_kit::yaml::Flaw| Problem { file: name.clone(), line: flaw.line, what: flaw.what.clone() };
            problems.extend(file.flaws.iter().map(of_file));
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(CatalogError { problems });
        }
        let entries = files.into_iter().flat_map(|(_, read)| {
            let CatalogFile { category, patterns } = read.file;
            patterns.into_iter().map(move |entry| (category.clone(), entry))
        });
        Ok(Self::of(entries.map(|(category, entry)| pattern(category, entry)).collect()))
    }

    fn of(mut patterns: Vec<Pattern>) -> Self {
        patterns.sort_by(|one, other| one.detail.id.cmp(&other.detail.id));
        let mut digest = Sha256::new();
        for pattern in &patterns {
            let text = serde_json::to_vec(&pattern.detail).unwrap_or_default();
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        let mut version = hex::encode(digest.finalize());
        version.truncate(VERSION_DIGITS);
        let by_id = patterns.iter().enumerate().map(|(at, pattern)| (pattern.detail.id.clone(), at)).collect();
        Self { index: Index::of(patterns.iter().map(texts)), by_id, version, patterns }
    }

    /// Every pattern, by id.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The pattern with that id.
    pub fn get(&self, id: &str) -> Option<&Pattern> {
        self.by_id.get(id).map(|at| &self.patterns[*at])
    }

    /// Which words stand where.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// A digest of all of it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every category, in order.
    pub fn categories(&self) -> BTreeSet<&str> {
        self.patterns.iter().map(|pattern| pattern.detail.category.as_str()).collect()
    }
}

/// What is wrong between patterns: ids that are there twice, related ones that are not there, too many.
fn compare(files: &[(String, read::ReadFile)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut first: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let all =
        || files.iter().flat_map(|(name, read)| read.file.patterns.iter().zip(&read.places).map(move |it| (name, it)));
    for (name, (entry, place)) in all().filter(|(_, (entry, _))| !entry.id.is_empty()) {
        if let Some((file, line)) = first.get(entry.id.as_str()) {
            let what = format!("the id `{}` is there already, in {file}:{line}", entry.id);
            problems.push(Problem { file: name.clone(), line: place.id, what });
        } else {
            first.insert(&entry.id, (name, place.id));
        }
    }
    for (name, (entry, place)) in all() {
        for (related, line) in entry.related.iter().zip(&place.related) {
            let what = if *related == entry.id {
                format!("`{related}` is related to itself")
            } else if first.contains_key(related.as_str()) {
                continue;
            } else {
                format!("no pattern has the id `{related}`{}", did_you_mean(related, first.keys().copied()))
            };
            problems.push(Problem { file: name.clone(), line: *line, what });
        }
    }
    if let Some((name, (_, place))) = all().nth(MAX_PATTERNS) {
        let what = format!("more than {MAX_PATTERNS} patterns");
        problems.push(Problem { file: name.clone(), line: place.id, what });
    }
    problems
}

fn pattern(category: String, entry: Entry) -> Pattern {
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
        body: entry.body,
        variables: entry.variables,
        related: entry.related,
    };
    Pattern { detail, template }
}

fn read_file(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("the file has {size} bytes; at most {MAX_FILE_BYTES}"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("the file cannot be read: {error}"))
}

/// What a pattern is found by.
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
