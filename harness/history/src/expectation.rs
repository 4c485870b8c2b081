//! An expectation of a scenario at one moment, and what the scenario saw; one line of `expectations.jsonl`.

use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// One expectation and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// When it was evaluated, in microseconds of the run's clock.
    pub at_us: u64,
    /// The expectation as a sentence, such as `a colleague does not see it`.
    pub expected: String,
    /// `pass` if it was met, `fail` if not, `unknown` if it could not be evaluated.
    pub verdict: Verdict,
    /// True if it had to be met by a time, so that a busy machine may be the reason why it was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
    /// What the scenario saw.
    pub seen: String,
    /// Positions of the operations that show it (0-based line numbers of `history.jsonl`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<u64>,
}
