//! What happened in a run and what that proves: operations, verdicts and the checks over a history.
//! Pure: no tokio, no clock, no files. A check is a function from data to findings.

#![warn(missing_docs)]

pub mod check;
pub mod expectation;
pub mod experiment;
mod figure;
pub mod finding;
pub mod history;
pub mod op;
pub mod recovery;
pub mod threshold;
pub mod verdict;

pub use check::{Criteria, Quota, judge};
pub use expectation::Expectation;
pub use experiment::{Experiment, Promises};
pub use finding::{Evidence, Finding};
pub use history::History;
pub use op::{
    Canary, Effect, ErrorKind, Op, Outcome, Phase, Query, RecordState, VerdictKind, Visibility, Workflow, WorkflowEnd,
};
pub use recovery::Recovery;
pub use threshold::{Metric, Threshold};
pub use verdict::Verdict;
