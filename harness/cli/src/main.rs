//! The `harness` program: parses the arguments, runs one command, and returns its exit code.

mod arguments;
mod ci;
mod command;
mod context;
#[cfg(test)]
mod documents;
mod exit;
mod names;
mod settings;
mod view;

use arguments::{Arguments, Command};
use clap::Parser;
use context::Context;
use exit::{Exit, Failure};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.code() } else { Exit::Pass.code() };
        }
    };
    // First, because every process that the harness starts inherits it.
    harness_core::drive::descriptors::raise();
    // The driver and the reaper are started before `Context::new`, which would install the signal handler of the harness: they have their own.
    match arguments.command {
        Command::Drive => return loadtests::drive_from_stdin(),
        Command::Reap => return harness_core::stack::reaper::reap_from_stdin(),
        _ => {}
    }
    let context = match Context::new(&arguments.output) {
        Ok(context) => context,
        Err(failure) => return failure.tell(),
    };
    match run(arguments.command, &context) {
        Ok(exit) => exit.code(),
        Err(failure) => failure.tell(),
    }
}

fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Up(arguments) => command::up::run(&arguments, context),
        Command::Down(arguments) => command::down::run(&arguments, context),
        Command::Watch(arguments) => command::watch::run(&arguments, context),
        Command::Status => command::status::run(context),
        Command::Logs(arguments) => command::logs::run(&arguments, context),
        Command::Plan(arguments) => command::plan::run(&arguments, context),
        Command::Load(arguments) => command::load::run(&arguments, context),
        Command::Scenario(arguments) => command::scenario::run(&arguments, context),
        Command::Chaos(arguments) => command::chaos::run(&arguments, context),
        Command::ClientConfig(arguments) => command::client_config::run(&arguments, context),
        Command::Check(arguments) => command::check::run(&arguments, context),
        Command::Report(arguments) => command::report::run(&arguments, context),
        Command::Runs(arguments) => command::runs::run(&arguments, context),
        Command::Token(arguments) => command::token::run(&arguments, context),
        Command::Flow(arguments) => command::flow::run(&arguments, context),
        Command::Gate(arguments) => command::gate::run(&arguments, context),
        Command::Init(arguments) => command::init::run(&arguments, context),
        Command::Bench(arguments) => command::bench::run(&arguments, context),
        Command::Completions(arguments) => command::completions::run(&arguments),
        Command::Drive | Command::Reap => Ok(Exit::Pass),
    }
}
