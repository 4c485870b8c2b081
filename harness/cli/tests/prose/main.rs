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

fn assert_none(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} findings:\n{}\nhint: the house style is in `CONTRIBUTING.md`",
        lines.len(),
        lines.join("\n")
    );
}

/// Every file of the repository.
fn files() -> Vec<File> {
    let files = tree::files(&tree::root());
    assert!(files.len() > 500, "only {} files below {}", files.len(), tree::root().display());
    files
}

#[test]
fn text_for_readers_is_free_of_forbidden_words() {
    assert_none(files().iter().flat_map(words::check).collect());
}

#[test]
fn every_exemption_is_needed() {
    assert_eq!(words::idle_exemptions(&files()), [""; 0], "remove these exemptions");
}

#[test]
fn functions_have_names_that_say_what_they_do() {
    assert_none(files().iter().flat_map(names::check_functions).collect());
}

#[test]
fn no_two_types_share_a_general_name() {
    assert_none(names::check_types(&files()));
}

#[test]
fn paths_links_and_items_in_documents_exist() {
    assert_none(documents::check(&files()));
}
