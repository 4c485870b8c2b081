//! Why a fault could not be injected or healed.

use crate::stack::StackError;
use crate::stack::undo_log::UndoLogError;

#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    #[error("the fault `{fault}` failed: {source}")]
    Stack { fault: String, source: StackError },
    #[error(
        "the fault `{fault}` needs a proxy on its way\nhint: set this way to `proxied` in the topology of the stack"
    )]
    NoProxy { fault: String },
    /// Everything was done and the fault does not act.
    #[error("the fault `{fault}` was injected and does not act: {why}")]
    NoEffect { fault: String, why: String },
    /// The system, Redis or Docker refused it.
    #[error("the fault `{fault}` cannot be injected: {why}")]
    Refused { fault: String, why: String },
    #[error("the fault `{fault}` cannot be healed: {why}\nhint: `harness chaos recover` tries again")]
    NotHealed { fault: String, why: String },
    #[error(transparent)]
    UndoLog(#[from] UndoLogError),
}
