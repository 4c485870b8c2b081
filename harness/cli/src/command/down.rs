//! `harness down`: stops the stack that `harness up` started, and nothing else.

use super::watch;
use crate::arguments::DownArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::stack::state;
use std::path::Path;

pub(crate) fn run(arguments: &DownArguments, context: &Context) -> Result<Exit, Failure> {
    let folder = Path::new(state::FOLDER);
    // First, because the watch could restart a service that is being stopped.
    watch::stop(folder)?;
    let state = context.runtime.block_on(state::down(folder))?;
    if arguments.clean {
        std::fs::remove_dir_all(folder)?;
    }
    if !context.output.quiet {
        let names: Vec<&str> = state.parts.iter().map(|part| part.name.as_str()).collect();
        context.print(&format!("stopped {}", names.join(", ")));
    }
    Ok(Exit::Pass)
}
