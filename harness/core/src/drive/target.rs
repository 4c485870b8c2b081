//! What the harness reads of a target before it loads it: the tools that the target lists, and whether the operations of a profile fit them. No call
//! of a tool is made here.

mod example;
mod fit;
mod tools;

pub use example::example_call;
pub use fit::misfits;
pub use tools::{Tool, ToolsError, list_tools};
