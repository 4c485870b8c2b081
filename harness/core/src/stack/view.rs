//! What a run tells a person while it goes on. The terminal's own code is in the CLI; here is only the vocabulary.

use harness_history::{Expectation, Finding, Phase, Verdict};
use serde::{Deserialize, Serialize};

/// Something worth telling.
#[derive(Debug, Clone)]
pub enum Event {
    /// A stage of the run begins, such as `starting the stack`.
    Stage(String),
    /// A part of the stack is ready after so long.
    PartReady {
        /// Name of the part.
        part: String,
        /// From its start to ready.
        after: std::time::Duration,
    },
    /// The load goes on; told once a second.
    Progress {
        /// What goes on, in a word or two.
        phase: String,
        /// How it goes.
        progress: Progress,
    },
    /// A scenario expected something, and what became of it.
    Expectation(Expectation),
    /// A check said something.
    Finding(Finding),
    /// Something a person should know that decides nothing.
    Note(String),
    /// The end.
    Verdict(Verdict),
}

/// Takes events; must return at once.
pub trait View: Send + Sync {
    /// Shows one event.
    fn show(&self, event: Event);
}

/// What happened since the last line; about one per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Time of the run's clock, in microseconds.
    pub at_us: u64,
    /// Part of the run.
    pub phase: Phase,
    /// Time left in that phase, in microseconds.
    pub left_us: u64,
    /// Users that are running.
    pub users: u32,
    /// Calls completed since the last line.
    pub calls: u64,
    /// Calls since the last line that were not ok.
    pub errors: u64,
    /// Calls completed in the phase so far.
    pub phase_calls: u64,
    /// Calls in the phase so far that were not ok.
    pub phase_errors: u64,
    /// Latency percentiles of the phase so far, in microseconds.
    pub latency_us_p50: u64,
    /// See [`Progress::latency_us_p50`].
    pub latency_us_p95: u64,
    /// See [`Progress::latency_us_p50`].
    pub latency_us_p99: u64,
}
