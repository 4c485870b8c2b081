//! `harness status`: prints the state of each part of the stack. Exit code 0 if all are ready, else 1.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::stack::state;
use owo_colors::OwoColorize;
use std::path::Path;

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let state = state::load(Path::new(state::FOLDER))?;
    let parts = context.runtime.block_on(state::status(&state));
    if context.output.json {
        context.print_json(&parts);
    } else {
        for part in &parts {
            let state =
                if part.state == "ready" { part.state.green().to_string() } else { part.state.red().to_string() };
            context.print(format!("{:<12} {:<28} {state} {}", part.name, part.url, part.detail).trim_end());
        }
    }
    Ok(if parts.iter().all(|part| part.state == "ready") { Exit::Pass } else { Exit::Fail })
}
