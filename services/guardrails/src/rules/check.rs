//! A condition, compiled: what must hold, over patterns and globs that are numbered within their rule.

use super::model::Size;
use super::pattern::Pattern;
use globset::{Glob, GlobSet};
use mcp_contracts::guardrails::{ActionKind, Detection};

/// What must hold.
#[derive(Debug)]
pub(super) enum Check {
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// The pattern with this number matches.
    Pattern(usize),
    /// The glob with this number names a file.
    File(usize),
    /// There is no file, or one that none of these names.
    Beside(GlobSet),
    /// No file of the whole action has one of these names.
    Without(GlobSet),
    /// The branch has one of these names.
    Branch(GlobSet),
    /// It is one of these actions.
    Action(Vec<ActionKind>),
    /// Something is too large.
    Size(Size),
    /// The text holds one of these.
    Detects(Vec<Detection>),
    /// It happens in production, or not.
    Production(bool),
    /// There is a backup, or not.
    Backup(bool),
    /// The icon is labelled, or not.
    Labelled(bool),
}

/// What the checks of one rule refer to by number.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) patterns: Vec<Pattern>,
    pub(super) globs: Vec<Glob>,
}

impl Parts {
    /// Adds a pattern.
    pub(super) fn pattern(&mut self, pattern: Pattern) -> Check {
        self.patterns.push(pattern);
        Check::Pattern(self.patterns.len() - 1)
    }

    /// Adds a glob.
    pub(super) fn glob(&mut self, glob: Glob) -> Check {
        self.globs.push(glob);
        Check::File(self.globs.len() - 1)
    }
}
