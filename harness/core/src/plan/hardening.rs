//! A hardening run in a plan: the checks that it makes and those that it omits. Each check carries its texts, so that the directory of a run is
//! enough to render its reports again.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hardening {
    /// `catalogue` for the whole catalogue, else `selection`.
    pub name: String,
    pub about: String,
    /// Maximum duration of all checks together.
    pub deadline: Duration,
    pub checks: Vec<CheckTexts>,
    /// Checks that are not made, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<OmittedCheck>,
    /// Folder with the sources of the stack, for the checks that read files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<PathBuf>,
}

/// The texts of a hardening check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckTexts {
    /// Stable id, such as `MCP-AUTH-03`.
    pub id: String,
    /// What a stack that passes does, in one sentence.
    pub title: String,
    /// Severity of a failure from 0.1 to 10.0, as code scanning uses it.
    pub score: f64,
    /// What an attacker gains if the check fails.
    pub why: String,
    /// Sections of specifications and entries of catalogues.
    pub sources: Vec<String>,
    pub how: String,
    pub remedy: String,
    /// Files of the repository in which a failure is fixed, the most likely one first; empty if its files are not known.
    pub mend: Vec<String>,
    /// Checks whose failure is the cause of a failure of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<String>,
}

/// A check that is not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OmittedCheck {
    pub id: String,
    pub title: String,
    /// True if the user skipped it; false if it is not applicable here.
    pub skipped: bool,
    /// The reason of the user, or what is missing and the flag that provides it.
    pub why: String,
}

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the severity of a score, by the limits of code scanning.
    pub fn of(score: f64) -> Self {
        match score {
            score if score >= 9.0 => Self::Critical,
            score if score >= 7.0 => Self::High,
            score if score >= 4.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl CheckTexts {
    pub fn severity(&self) -> Severity {
        Severity::of(self.score)
    }
}

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn a_score_has_the_severity_of_code_scanning() {
        let severities = [0.1, 3.9, 4.0, 6.9, 7.0, 8.9, 9.0, 10.0].map(|score| Severity::of(score).name());
        assert_eq!(severities, ["low", "low", "medium", "medium", "high", "high", "critical", "critical"]);
    }
}
