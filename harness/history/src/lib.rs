//! What happened in a run and what that proves: operations, verdicts and the checks over a history.
//! Pure: no tokio, no clock, no files. A check is a function from data to findings.

pub mod check;
pub mod finding;
pub mod op;
pub mod verdict;

pub use finding::{Evidence, Finding};
pub use op::{Effect, ErrorKind, Op, Outcome, Phase, Seen};
pub use verdict::Verdict;
