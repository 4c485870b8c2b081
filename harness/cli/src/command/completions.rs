//! `harness completions`: prints shell completions.

use crate::arguments::{Arguments, CompletionsArguments};
use crate::exit::{Exit, Failure};
use clap::CommandFactory;

pub(crate) fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "harness", &mut text);
    std::io::Write::write_all(&mut std::io::stdout(), &text)?;
    Ok(Exit::Pass)
}
