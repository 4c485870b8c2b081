//! The events of a run that are shown while it is in progress. The CLI decides how they are shown.

use harness_history::{Expectation, Finding, Phase, Verdict};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone)]
pub enum Event {
    /// A step of the run begins, such as `starting the stack (process)`.
    Stage(String),
    /// A part of the stack is ready.
    PartReady {
        part: String,
        /// Time from the start of the part until it was ready.
        after: std::time::Duration,
    },
    /// The state of the load; sent once a second.
    Progress {
        /// The phase, in one or two words.
        phase: String,
        progress: Progress,
    },
    /// The result of an expectation of a scenario.
    Expectation(Expectation),
    Finding(Finding),
    /// A remark that does not change the verdict.
    Note(String),
    Verdict(Verdict),
}

/// Shows events. Must return at once, because the run waits for it.
pub trait View: Send + Sync {
    fn show(&self, event: Event);
}

/// The progress of a load since the last event; about one per second. The driver writes it as a line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Time of the run's clock, in microseconds.
    pub at_us: u64,
    pub phase: Phase,
    /// Remaining time of that phase, in microseconds.
    pub left_us: u64,
    /// Number of users that make calls.
    pub users: u32,
    /// Calls completed since the last event.
    pub calls: u64,
    /// Calls since the last event that were not ok.
    pub errors: u64,
    /// Calls completed in the phase so far.
    pub phase_calls: u64,
    /// Calls in the phase so far that were not ok.
    pub phase_errors: u64,
    /// Those of them whose error the experiment allows.
    #[serde(default)]
    pub phase_allowed: u64,
    /// Latency percentiles of the phase so far, in microseconds.
    pub latency_us_p50: u64,
    pub latency_us_p95: u64,
    pub latency_us_p99: u64,
}
