//! What can be wrong with a file, told so that it can be mended at once.

use std::fmt;

/// Least likeness of a name that is suggested.
const LIKE: f64 = 0.8;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File and line, such as `my.toml:7`, or `command line`.
    pub place: String,
    /// The key, such as `mix.store_memory`, or the option.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, what, allowed } = self;
        write!(f, "{place}: `{key}`: {what}\n      allowed: {allowed}")
    }
}

/// Problems as lines of a message.
pub fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// The known name that is most like `name`, if one is near enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
