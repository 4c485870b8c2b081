//! Holds the style rules that a program can check: forbidden words, names that say nothing, and documents that name what does not exist.
//! The words and their replacements are in `words.rs`; how Rust is split into comments, strings and code is in `rust_source.rs`.
//!
//! `cargo test -p harness-cli --test prose` reads the whole repository. Nothing but the standard library is used, so that the test can also
//! be built by `rustc` alone and run on a checkout that does not compile.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the repository ends here")]

mod documents;
mod names;
mod rust_source;
mod tree;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use tree::File;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Folders that are still to be rewritten, with the number of findings that each may have. A number only goes down; the table ends empty.
const PENDING: &[(&str, usize)] = &[
    ("chaos/proxy/", 63),
    ("docs/adding-a-check.md", 3),
    ("fixtures/liar/", 54),
    ("harness/cli/", 65),
    ("harness/core/", 247),
    ("harness/history/", 78),
    ("loadtests/", 33),
    ("scenarios/", 83),
    ("services/contracts/", 36),
    ("services/guardrails/", 67),
    ("services/kit/", 59),
    ("services/memory/", 21),
    ("services/orchestrator/", 80),
    ("services/patterns/", 27),
];

fn folder_of(path: &str) -> &'static str {
    let longest = PENDING.iter().filter(|(folder, _)| path.starts_with(folder)).max_by_key(|(folder, _)| folder.len());
    longest.map_or("", |(folder, _)| folder)
}

/// Fails if a folder has more findings than `PENDING` allows, and lists those of the folders that have too many.
fn assert_within_allowance(mut findings: Vec<Finding>) {
    findings.sort();
    let mut by_folder: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &findings {
        by_folder.entry(folder_of(&finding.path)).or_default().push(finding);
    }
    let strict = std::env::var_os("PROSE_FOLDER").is_some();
    let allowed =
        |folder: &str| PENDING.iter().find(|(name, _)| *name == folder && !strict).map_or(0, |(_, allowed)| *allowed);
    let mut report = String::new();
    for (folder, findings) in by_folder {
        if findings.len() > allowed(folder) {
            report += &format!("\n`{folder}` has {} findings, {} allowed:\n", findings.len(), allowed(folder));
            findings.iter().for_each(|finding| report += &format!("{finding}\n"));
        }
    }
    assert!(report.is_empty(), "{report}hint: the house style is in `CONTRIBUTING.md`");
}

/// Every file of the repository.
fn files() -> Vec<File> {
    let files = tree::files(&tree::root());
    assert!(files.len() > 500, "only {} files below {}", files.len(), tree::root().display());
    files
}

/// Keeps the findings below `PROSE_FOLDER`, if it is set; nothing is allowed there.
fn in_chosen_folder(findings: Vec<Finding>) -> Vec<Finding> {
    let folder = std::env::var_os("PROSE_FOLDER").unwrap_or_default().into_string().unwrap();
    findings.into_iter().filter(|finding| finding.path.starts_with(&folder)).collect()
}

#[test]
fn text_for_readers_is_free_of_forbidden_words() {
    assert_within_allowance(in_chosen_folder(files().iter().flat_map(words::check).collect()));
}

#[test]
fn every_exemption_is_needed() {
    assert_eq!(words::idle_exemptions(&files()), [""; 0], "remove these exemptions");
}

#[test]
fn functions_have_names_that_say_what_they_do() {
    assert_within_allowance(in_chosen_folder(files().iter().flat_map(names::check_functions).collect()));
}

#[test]
fn no_two_types_share_a_general_name() {
    assert_within_allowance(in_chosen_folder(names::check_types(&files())));
}

#[test]
fn paths_links_and_items_in_documents_exist() {
    assert_within_allowance(in_chosen_folder(documents::check(&files())));
}
