//! Why a fault could not be injected or healed.

use crate::stack::StackError;
use crate::stack::undo::UndoLogError;

/// What went wrong with a fault.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The stack did not do what it was told.
    #[error("the fault `{fault}` failed: {source}")]
    Stack {
        /// The fault.
        fault: String,
        /// What the stack said.
        source: StackError,
    },
    /// There is no proxy on the way.
    #[error(
        "the fault `{fault}` needs a proxy on its way\nhint: the topology of the stack must have that way `proxied`"
    )]
    NoProxy {
        /// The fault.
        fault: String,
    },
    /// It was ordered and does not act.
    #[error("the fault `{fault}` was ordered and does not act: {why}")]
    NoEffect {
        /// The fault.
        fault: String,
        /// What was seen instead.
        why: String,
    },
    /// The system, Redis or Docker refused it.
    #[error("the fault `{fault}` cannot be injected: {why}")]
    Refused {
        /// The fault.
        fault: String,
        /// What was said.
        why: String,
    },
    /// It was ordered to end and is still there.
    #[error("the fault `{fault}` cannot be healed: {why}\nhint: `harness chaos recover` tries again")]
    NotHealed {
        /// The fault.
        fault: String,
        /// What was said.
        why: String,
    },
    #[error(transparent)]
    UndoLog(#[from] UndoLogError),
}
