//! Workflows before peers that go wrong in every way they can: what is answered, what is never done, what is done exactly once.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

mod calls;
mod executions;
mod fake;
mod fallbacks;
mod outbox;
mod stage;
mod verdicts;
