//! What a run tells a person while it goes on. The terminal's own code is in the CLI; here is only the vocabulary.

use crate::drive::Progress;
use harness_history::{Expectation, Finding, Verdict};

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
