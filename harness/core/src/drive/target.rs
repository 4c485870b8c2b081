//! What the harness does with a target before it loads it: it opens the way, reads the tools that the target lists, and checks that the operations of a
//! profile fit them. No tool is called here.

mod access;
mod example;
mod tools;
mod validate;

pub use access::{AccessError, TargetAccess};
pub use example::example_call;
pub use tools::{Tool, shown};
pub use validate::call_problems;
