//! `harness __become`: becomes a part of a stack, or the driver, that dies with the harness.

use crate::arguments::BecomeArguments;
use crate::exit::{Exit, Failure};
use harness_core::stack::owned::become_program;

pub(crate) fn run(arguments: &BecomeArguments) -> Exit {
    // Returns only on a failure. The text goes to the log of the part.
    Failure::internal(become_program(arguments.parent, &arguments.program, &arguments.arguments)).report()
}
