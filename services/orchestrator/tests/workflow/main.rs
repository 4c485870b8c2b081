//! Workflows with failing peers: what is returned, what never happens, what happens exactly once.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

mod calls;
mod executions;
mod fake;
mod fallbacks;
mod outbox;
mod stage;
mod verdicts;
