//! Files that people write for the harness (profiles, experiments): TOML, read in one pass, every problem noted with its line, nothing guessed.

pub mod form;

mod problem;
mod text;

pub use problem::{Problem, nearest, problem_lines};
pub use text::{DURATION_TEXT, MAX_RATE, STAGES_TEXT, THRESHOLD_TEXT, comparison, duration, stages, threshold};

use std::ops::{Range, RangeInclusive};
use toml_edit::Item;

/// Reads one file and notes what is wrong with it.
pub struct ProblemList<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> ProblemList<'a> {
    /// Begins with a text; `file` is only for messages.
    pub const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    /// Everything that was noted.
    pub fn problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Tells whether nothing was noted.
    pub const fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// ProblemList a problem at a place of the text.
    pub fn note(&mut self, span: Option<Range<usize>>, key: &str, what: String, allowed: &str) {
        let place = match span {
            Some(span) => {
                let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
                format!("{}:{}", self.file, before.iter().filter(|byte| **byte == b'\n').count() + 1)
            }
            None => self.file.to_owned(),
        };
        self.problems.push(Problem { place, key: key.to_owned(), what, allowed: allowed.to_owned() });
    }

    /// ProblemList a syntax error.
    pub fn syntax(&mut self, error: &toml_edit::TomlError) {
        self.note(error.span(), "(syntax)", error.message().replace('\n', ", "), "TOML 1.1");
    }

    /// ProblemList that a key is missing.
    pub fn missing(&mut self, key: &str, allowed: &str) {
        self.note(None, key, "it is missing".to_owned(), allowed);
    }
}

/// A range of whole numbers in words.
pub fn range_text(range: &RangeInclusive<u32>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// A value as it stands in the file.
pub fn source_text(item: &Item) -> String {
    item.to_string().trim().to_owned()
}
