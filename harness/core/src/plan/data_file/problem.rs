//! A problem of a file, with its place, its key and the allowed values.

use std::fmt;

/// Minimum similarity (Jaro-Winkler, from 0 to 1) of a name that is suggested.
const MIN_SIMILARITY: f64 = 0.8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File and line, such as `my.toml:7`, or `command line`.
    pub place: String,
    /// The key, such as `mix.store_memory`, or the option.
    pub key: String,
    pub what: String,
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, what, allowed } = self;
        write!(f, "{place}: `{key}`: {what}\n      allowed: {allowed}")
    }
}

/// Renders the problems as lines of an error message.
pub fn problem_lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// Returns the known name that is most similar to `name`, if `name` is similar enough to be a typing error.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
