//! Reads the TOML files that users write: profiles, experiments and settings. All problems are reported at once, each
//! with its line, and no value is guessed.

pub mod form;

mod problem;
mod text;

pub use problem::{Problem, nearest, problem_lines};
pub use text::{DURATION_TEXT, MAX_RATE, STAGES_TEXT, THRESHOLD_TEXT, comparison, duration, stages, threshold};

use std::ops::{Range, RangeInclusive};
use toml_edit::Item;

/// Collects the problems of one file.
pub struct ProblemList<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> ProblemList<'a> {
    /// `file` is for messages only.
    pub const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: Vec::new() }
    }

    pub fn problems(self) -> Vec<Problem> {
        self.problems
    }

    pub const fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns the file and the line of `span`, or the file alone.
    fn place(&self, span: Option<Range<usize>>) -> String {
        match span {
            Some(span) => {
                let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
                format!("{}:{}", self.file, before.iter().filter(|byte| **byte == b'\n').count() + 1)
            }
            None => self.file.to_owned(),
        }
    }

    /// Adds a problem with the line of `span`, or with the file alone.
    pub fn note(&mut self, span: Option<Range<usize>>, key: &str, what: String, allowed: &str) {
        let place = self.place(span);
        self.problems.push(Problem { place, key: key.to_owned(), what, allowed: allowed.to_owned() });
    }

    pub fn syntax(&mut self, error: &toml_edit::TomlError) {
        // One line per problem, as for all others.
        self.note(error.span(), "(syntax)", error.message().replace('\n', ", "), "TOML 1.1");
    }

    pub fn missing(&mut self, key: &str, allowed: &str) {
        self.note(None, key, "it is missing".to_owned(), allowed);
    }
}

/// Renders a range of whole numbers for people.
pub fn range_text(range: &RangeInclusive<u32>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// Returns the text of a value in the file.
pub fn source_text(item: &Item) -> String {
    item.to_string().trim().to_owned()
}
