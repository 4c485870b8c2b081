//! What a scenario expected of the stack at one moment, and what it saw instead; one line of `expectations.jsonl`.

use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// One expectation and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// When it was evaluated, in microseconds of the run's clock.
    pub at_us: u64,
    /// What was expected, as a sentence, such as `a colleague does not see it`.
    pub expected: String,
    /// `pass` where it held, `fail` where it did not, `unknown` where it could not be evaluated.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// Positions of the operations that show it (0-based line numbers of `history.jsonl`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<u64>,
}
