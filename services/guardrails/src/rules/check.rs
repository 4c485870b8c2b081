//! A compiled condition. Its patterns and globs are numbered within the rule.

use super::model::Size;
use super::pattern::Pattern;
use globset::{Glob, GlobSet};
use mcp_contracts::guardrails::{ActionKind, Detection};

#[derive(Debug)]
pub(super) enum Check {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// The pattern with this number matches.
    Pattern(usize),
    /// The glob with this number matches a file.
    File(usize),
    /// There is no file, or a file that none of these globs matches.
    Beside(GlobSet),
    /// These globs match no file of the whole action.
    Without(GlobSet),
    /// One of these globs matches the branch.
    Branch(GlobSet),
    Action(Vec<ActionKind>),
    Size(Size),
    /// The detectors find one of these in the text.
    Detects(Vec<Detection>),
    Production(bool),
    Backup(bool),
    Labelled(bool),
}

/// Patterns and globs of one rule, by number.
#[derive(Debug, Default)]
pub(super) struct RuleParts {
    pub(super) patterns: Vec<Pattern>,
    pub(super) globs: Vec<Glob>,
}

impl RuleParts {
    pub(super) fn pattern(&mut self, pattern: Pattern) -> Check {
        self.patterns.push(pattern);
        Check::Pattern(self.patterns.len() - 1)
    }

    pub(super) fn glob(&mut self, glob: Glob) -> Check {
        self.globs.push(glob);
        Check::File(self.globs.len() - 1)
    }
}
