//! `harness down`: stops what `up` started, and nothing else.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::state;
use std::path::Path;

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let state = context.runtime.block_on(state::down(Path::new(state::FOLDER)))?;
    if !context.output.quiet {
        let names: Vec<&str> = state.parts.iter().map(|part| part.name.as_str()).collect();
        context.print(&format!("stopped {}", names.join(", ")));
    }
    Ok(Exit::Pass)
}
