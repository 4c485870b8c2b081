//! `harness logs`: the last lines of the parts' logs.

use crate::arguments::LogsArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::names::unknown;
use harness_core::state;
use std::path::Path;

pub(crate) fn run(arguments: &LogsArguments, context: &Context) -> Result<Exit, Failure> {
    let state = state::load(Path::new(state::FOLDER))?;
    let names: Vec<&str> = state.parts.iter().map(|part| part.name.as_str()).collect();
    if let Some(wanted) = &arguments.part
        && !names.contains(&wanted.as_str())
    {
        return Err(Failure::usage(unknown("part", wanted, &names)));
    }
    for part in state.parts.iter().filter(|part| arguments.part.as_ref().is_none_or(|wanted| *wanted == part.name)) {
        let Some(path) = &part.log else { continue };
        let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        if arguments.part.is_none() {
            context.print(&format!("== {} ({})", part.name, path.display()));
        }
        for line in &lines[lines.len().saturating_sub(arguments.lines)..] {
            context.print(line);
        }
    }
    Ok(Exit::Pass)
}
