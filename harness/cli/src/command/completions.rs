//! `harness completions`: prints shell completions.

use crate::arguments::{Arguments, CompletionsArguments};
use crate::exit::{Exit, Failure};
use crate::stdout;
use clap::CommandFactory;

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "harness", &mut text);
    stdout::write(&String::from_utf8(text).map_err(Failure::internal)?);
    Ok(Exit::Pass)
}
