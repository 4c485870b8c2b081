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
mod stdout;
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
            let printed = error.print();
            let full = printed.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
            // `--help` and `--version` are errors for clap as well, but they go to stdout.
            return match (error.use_stderr(), full) {
                (true, _) => Exit::Usage.code(),
                (false, true) => Exit::Internal.code(),
                (false, false) => Exit::Pass.code(),
            };
        }
    };
    // First, because every process that the harness starts inherits it.
    harness_core::drive::descriptors::raise();
    // The driver and the reaper have their own signal handlers, so they start before `Context::new` installs another.
    match arguments.command {
        Command::Drive => return loadtests::drive_from_stdin(),
        Command::Become(arguments) => return command::become_program::run(&arguments).code(),
        Command::Reap => return harness_core::stack::reaper::reap_from_stdin(),
        _ => {}
    }
    let context = match Context::new(&arguments.output) {
        Ok(context) => context,
        Err(failure) => return failure.report().code(),
    };
    let exit = run(arguments.command, &context).unwrap_or_else(|failure| failure.report());
    match stdout::failure() {
        // A worse result of the command itself says more than the lost output.
        Some(error) if exit == Exit::Pass => {
            Failure::internal(format!("cannot write to stdout: {error}")).report().code()
        }
        _ => exit.code(),
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
        Command::Harden(arguments) => command::harden::run(&arguments, context),
        Command::Chaos(arguments) => command::chaos::run(&arguments, context),
        Command::ClientConfig(arguments) => command::client_config::run(&arguments, context),
        Command::Snapshot(arguments) => command::snapshot::run(&arguments, context),
        Command::Check(arguments) => command::check::run(&arguments, context),
        Command::Compare(arguments) => command::compare::run(&arguments, context),
        Command::Report(arguments) => command::report::run(&arguments, context),
        Command::Runs(arguments) => command::runs::run(&arguments, context),
        Command::Usage(arguments) => command::usage::run(&arguments, context),
        Command::Token(arguments) => command::token::run(&arguments, context),
        Command::Flow(arguments) => command::flow::run(&arguments, context),
        Command::Gate(arguments) => command::gate::run(&arguments, context),
        Command::Init(arguments) => command::init::run(&arguments, context),
        Command::Bench(arguments) => command::bench::run(&arguments, context),
        Command::Completions(arguments) => command::completions::run(&arguments),
        Command::Become(_) | Command::Drive | Command::Reap => Ok(Exit::Pass),
    }
}
