//! `harness up`: starts a stack that keeps running.

mod env_file;

use super::watch;
use crate::arguments::{BackendChoice, OnlyService, UpArguments, WatchArguments};
use crate::context::{Context, random_secret};
use crate::exit::{Exit, Failure};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::StackRequest;
use harness_core::stack::state;
use std::path::Path;

pub(crate) fn run(arguments: &UpArguments, context: &Context) -> Result<Exit, Failure> {
    let backend = match arguments.backend {
        BackendChoice::Auto | BackendChoice::Process => Backend::Process,
        BackendChoice::Docker => Backend::Docker,
        BackendChoice::External => {
            return Err(Failure::usage(
                "an external stack runs already; use `--url` with `harness load` or `harness flow`",
            ));
        }
    };
    let folder = Path::new(state::FOLDER);
    if arguments.watch && backend != Backend::Process {
        return Err(Failure::usage("`--watch` supports processes only; `make mcp-up` watches a stack of containers"));
    }
    let topology = match arguments.only {
        Some(OnlyService::Memory) => Topology::memory(),
        None => Topology::full(),
    };
    let wanted = match &arguments.env_file {
        Some(path) => env_file::read(path, topology)?,
        None => env_file::ConfiguredStack { topology, secret: None },
    };
    let request = StackRequest {
        backend,
        topology: wanted.topology,
        dir: folder.to_owned(),
        secret: wanted.secret.unwrap_or_else(random_secret),
        executable: context.executable.clone(),
        detached: true,
        fixtures: Vec::new(),
        image_tag: harness_core::stack::IMAGE_TAG.to_owned(),
        seed: 0,
    };
    let state = context.runtime.block_on(state::up(folder, request, &context.view, &context.cancel))?;
    if arguments.watch
        && let Err(failure) = watch::start(folder, &WatchArguments::default(), context)
    {
        // The command fails without the requested watch, and a failed command must not leave a stack running.
        context.runtime.block_on(state::down(folder))?;
        return Err(failure);
    }
    if context.output.json {
        context.print_json(&state.parts);
        return Ok(Exit::Pass);
    }
    for part in &state.parts {
        context.print(&format!("{:<12} {}", part.name, part.url));
    }
    if !context.output.quiet {
        context.print("\nharness client-config cursor    prints the configuration of a client\nharness token mint              prints a token\nharness flow                    sends one task through the stack\nharness status                  shows the state of each part\nharness down                    stops the stack");
    }
    Ok(Exit::Pass)
}
