//! Counts and decisions that Redis and the local limiter share.

pub(super) const DAY_SECS: u64 = 86_400;

/// Decision about a call, with the counts after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowDecision {
    Admitted(Usage),
    OverDay(Usage),
    OverSecond(Usage),
}

/// Calls counted in the two windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) day: u64,
    pub(super) second: u64,
}
