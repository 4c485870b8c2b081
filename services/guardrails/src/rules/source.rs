//! A rule file as text, and its owner.

/// Maximum number of rules in one set.
pub const MAX_RULES: usize = 2_000;

/// Owner of a file. The order matters: files of the operator are read after the built-in ones, so that their rules can replace them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    BuiltIn,
    /// Adds rules for all organisations; may replace, switch off or change the severity of built-in ones.
    Operator,
    /// Adds rules for one organisation; may switch off or change the severity of the others, but cannot weaken a locked rule or replace one.
    Organisation(String),
}

/// A rule file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name for messages.
    pub name: String,
    pub origin: Origin,
    pub text: String,
}
