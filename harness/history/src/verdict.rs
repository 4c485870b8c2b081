//! The three verdicts and how they merge: by the worst.

use serde::{Deserialize, Serialize};

/// What a check, a phase or a run says. Ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Proven good.
    Pass,
    /// Not proven either way: too little evidence, or the harness itself was the bottleneck.
    Unknown,
    /// Proven bad.
    Fail,
}

impl Verdict {
    /// Merges verdicts by the worst. Nothing at all proves nothing: an empty iterator is [`Verdict::Unknown`].
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
