//! Workflows with failing peers: their replies, the effects that must never happen, and those that must happen exactly once.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

mod calls;
mod executions;
mod fake;
mod fallbacks;
mod outbox;
mod stage;
mod verdicts;
