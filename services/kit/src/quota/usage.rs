//! What was counted and what that decides; the words that Redis and the local limiter share.

/// Seconds of a day.
pub(super) const DAY_SECS: u64 = 86_400;

/// What the script decided, with the counters after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripted {
    Admitted(Usage),
    OverDay(Usage),
    OverSecond(Usage),
}

/// Calls counted in the two windows, and what they may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) day: u64,
    pub(super) second: u64,
}
