//! What a hardening run records of each check; one line of `hardening.jsonl`.

use harness_history::Verdict;
use serde::{Deserialize, Serialize};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    pub id: String,
    pub state: CheckState,
    /// One sentence with the figures behind the state.
    pub summary: String,
    /// Number of cases that were judged in the first attempt.
    pub cases: u64,
    /// Number of control requests that succeeded in the first attempt.
    pub controls: u64,
    /// Number of attempts: three if the first one found a violation.
    pub attempts: u32,
    pub took_us: u64,
    /// Violations that every attempt found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<ViolationRecord>,
    /// Cases that could not be decided, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    Pass,
    Fail,
    Unknown,
    NotApplicable,
}

impl CheckState {
    /// The verdict of the check; `None` if it was not applicable.
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Pass => Some(Verdict::Pass),
            Self::Fail => Some(Verdict::Fail),
            Self::Unknown => Some(Verdict::Unknown),
            Self::NotApplicable => None,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// A case that the stack handled wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViolationRecord {
    /// What was tried, such as `memory: a token that expired a day ago`.
    pub case: String,
    /// The file of the repository that shows it; `None` if requests show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The independent signs that it was handled wrongly; at least two.
    pub signs: Vec<String>,
    /// Requests and replies, secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<ExchangeText>,
    /// Positions of the calls in the history.
    pub ops: Vec<u64>,
}

/// A request and its reply as text, secrets masked and long bodies cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeText {
    pub request: String,
    pub reply: String,
    /// The command that repeats a request that is valid HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curl: Option<String>,
}
