//! One call of the measuring client: the user, the operation, its times and its result. A call is one line of `history.jsonl`, and the position of
//! the line identifies the call.

mod effect;
mod error;
mod record;

pub use effect::{Effect, VerdictKind, Workflow, WorkflowEnd};
pub use error::ErrorKind;
pub use record::{Canary, Query, RecordState, Visibility};

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One call, from invocation to completion. Times are microseconds of the run's monotonic clock, 0 at its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// Number of the virtual user. Operations of one user never overlap.
    pub process: u32,
    /// Organisation of the caller.
    pub tenant: Arc<str>,
    /// User of the caller inside the organisation.
    pub user: Arc<str>,
    /// Workspace of the caller; omitted if it is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Arc<str>>,
    /// Name of the operation, such as `store_memory`.
    pub name: Arc<str>,
    /// Phase of the run in which it was sent.
    pub phase: Phase,
    /// Planned time of the call in the arrival schedule; omitted unless the call is a planned arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_us: Option<u64>,
    /// When it was sent.
    pub invoke_us: u64,
    /// When the reply was complete, or the client gave up.
    pub complete_us: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Marks of contents in the reply outside the records of `effect`, such as in an error text or an unknown field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<Canary>,
    /// What it wrote or read, as the client knows it from its request and the reply.
    #[serde(default, skip_serializing_if = "Effect::is_none")]
    pub effect: Effect,
}

impl Op {
    /// Latency from the planned start in the open model, else from the send; microseconds.
    pub fn latency_us(&self) -> u64 {
        self.complete_us.saturating_sub(self.planned_us.unwrap_or(self.invoke_us))
    }

    /// Service time: from the send to the complete reply; microseconds.
    pub fn service_us(&self) -> u64 {
        self.complete_us.saturating_sub(self.invoke_us)
    }

    /// Returns true if it did not end as it should. A change that is refused because another client changed the record first has the right answer.
    pub fn is_error(&self) -> bool {
        let is_conditional = matches!(&self.effect, Effect::Update { expected: Some(_), .. });
        self.outcome != Outcome::Ok && !(is_conditional && self.outcome.is_version_conflict())
    }

    /// How long after its planned start it was sent; microseconds, `None` in the closed model.
    pub fn send_lag_us(&self) -> Option<u64> {
        self.planned_us.map(|planned| self.invoke_us.saturating_sub(planned))
    }
}

/// Part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Preparation, such as seeding data.
    Setup,
    /// Load before measuring starts; judged for correctness, not for speed.
    Warmup,
    /// The load that every check judges.
    Measured,
    /// The read of every acknowledged write after the load.
    Final,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The service acknowledged the call.
    Ok,
    /// The call certainly had no effect: it could not be sent, or was answered with an error.
    Failed(ErrorKind),
    /// The call may have had its effect, because it was sent and not answered.
    Unknown(ErrorKind),
}

impl Outcome {
    /// The kind of error, if it was one.
    pub fn error(&self) -> Option<&ErrorKind> {
        match self {
            Self::Ok => None,
            Self::Failed(kind) | Self::Unknown(kind) => Some(kind),
        }
    }

    /// Returns true if the call certainly had no effect.
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Returns true if a change was refused because the record had another version than the caller expected.
    pub(crate) fn is_version_conflict(&self) -> bool {
        matches!(self, Self::Failed(ErrorKind::Tool(code)) if &**code == "version_conflict")
    }
}
