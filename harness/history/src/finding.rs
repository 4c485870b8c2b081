//! A finding: the result of one check on one history, with the operations that prove it.

use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the check, such as `no-lost-writes`.
    pub check: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// One sentence with the figures behind the verdict.
    pub summary: String,
    /// Number of facts that were judged, such as writes, reads or calls. A finding with 0 is never a pass.
    pub judged: u64,
    /// Number of them that violate the check.
    pub violations: u64,
    /// The first violations, at most [`Finding::MAX_EVIDENCE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// Maximum number of pieces of evidence in a finding.
    pub const MAX_EVIDENCE: usize = 10;
}

/// One violation or doubt, and the operations that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is wrong, in one sentence.
    pub what: String,
    /// Positions in the history (0-based line numbers of `history.jsonl`) that prove it.
    pub ops: Vec<u64>,
}

impl Evidence {
    pub(crate) fn of(what: impl Into<String>, ops: &[u32]) -> Self {
        Self { what: what.into(), ops: ops.iter().copied().map(u64::from).collect() }
    }
}
