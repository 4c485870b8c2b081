//! The three verdicts and how they merge: by the worst.

use serde::{Deserialize, Serialize};

/// The result of a check, a phase or a run. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Proven good.
    Pass,
    /// Not proven either way: too little evidence, or the harness itself was the limit.
    Unknown,
    /// Proven bad.
    Fail,
}

impl Verdict {
    /// Returns the worst verdict. Without any, nothing is proven: [`Verdict::Unknown`].
    pub fn merge(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}
