//! Workflows with failing peers: their replies, the effects that must never happen, and those that must happen exactly once.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

mod calls;
mod executions;
mod fake;
mod fallbacks;
mod outbox;
mod stage;
mod verdicts;
