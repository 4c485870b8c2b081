//! What the harness does with a target before it loads it: it opens the way, reads the tools that the target lists, and checks that the operations of a
//! profile fit them. No tool is called here.

mod access;
mod example;
mod fit;
mod tools;

pub use access::{AccessError, TargetAccess};
pub use example::example_call;
pub use fit::misfits;
pub use tools::{Tool, shown};
