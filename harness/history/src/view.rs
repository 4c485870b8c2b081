//! A history as checks read it: calls, what they did, and the states of records. A view borrows the packed history and is as cheap to copy as a
//! reference.

mod effect;
mod op;
mod state;

pub use effect::{EffectRef, KeyRef, QueryRef, RecordsRef, TextsRef, WorkflowRef};
pub use op::OpRef;
pub use state::{CanaryRef, StateRef};
