//! The history of a run and what it proves: operations, the checks over them, and their findings.
//! Pure: no tokio, no clock, no files. A check is a function from data to a finding.

#![warn(missing_docs)]

pub mod check;
mod conditions;
mod counted;
pub mod expectation;
pub mod experiment;
mod figure;
pub mod finding;
pub mod history;
mod mentions;
pub mod op;
mod outage;
pub mod percentile;
pub mod recovery;
mod store;
pub mod threshold;
mod timeline;
pub mod verdict;
pub mod view;
mod walk;

pub use check::{Criteria, Quota, judge};
pub use conditions::Conditions;
pub use counted::counted;
pub use expectation::Expectation;
pub use experiment::{Experiment, Promises};
pub use finding::{Evidence, Finding};
pub use history::{Full, History, HistoryBuilder};
pub use op::{
    Canary, Effect, ErrorKind, Op, Outcome, Phase, Query, RecordState, VerdictKind, Visibility, Workflow, WorkflowEnd,
};
pub use recovery::Recovery;
pub use threshold::{Metric, Threshold};
pub use verdict::Verdict;
pub use view::{EffectRef, OpRef};
