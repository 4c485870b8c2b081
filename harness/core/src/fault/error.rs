//! Why a fault could not be injected or healed.

use crate::stack::StackError;
use crate::stack::undo_log::UndoLogError;

#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    #[error("the fault `{fault}` failed: {source}")]
    Stack { fault: String, source: StackError },
    #[error(
        "the fault `{fault}` needs a proxy on its edge\nhint: set this edge to `proxied` in the topology of the stack"
    )]
    NoProxy { fault: String },
    /// Every step of the injection succeeded, but the fault has no effect.
    #[error("the fault `{fault}` was injected but has no effect: {why}")]
    NoEffect { fault: String, why: String },
    /// The system, Redis or Docker refused a step of the injection.
    #[error("the fault `{fault}` cannot be injected: {why}")]
    Refused { fault: String, why: String },
    #[error("the fault `{fault}` cannot be healed: {why}\nhint: `harness chaos recover` tries again")]
    NotHealed { fault: String, why: String },
    #[error(transparent)]
    UndoLog(#[from] UndoLogError),
}
