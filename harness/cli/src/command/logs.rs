//! `harness logs`: prints the last lines of the logs of each part and of the watch.

use crate::arguments::LogsArguments;
use crate::command::watch;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::names::unknown;
use harness_core::stack::state;
use std::path::Path;

pub(crate) fn run(arguments: &LogsArguments, context: &Context) -> Result<Exit, Failure> {
    let folder = Path::new(state::FOLDER);
    let state = state::load(folder)?;
    let mut logs: Vec<_> = state.parts.into_iter().filter_map(|part| part.log.map(|log| (part.name, log))).collect();
    logs.extend(watch::log(folder).map(|log| ("watch".to_owned(), log)));
    let names: Vec<&str> = logs.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(wanted) = &arguments.part
        && !names.contains(&wanted.as_str())
    {
        return Err(Failure::usage(unknown("part", wanted, &names)));
    }
    for (name, path) in logs.iter().filter(|(name, _)| arguments.part.as_ref().is_none_or(|wanted| wanted == name)) {
        let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        if arguments.part.is_none() {
            context.print(&format!("== {name} ({})", path.display()));
        }
        for line in &lines[lines.len().saturating_sub(arguments.lines)..] {
            context.print(line);
        }
    }
    Ok(Exit::Pass)
}
