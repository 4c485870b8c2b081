//! `harness watch`: rebuilds the services after every change of their sources, and restarts only those whose programs
//! changed. Instead of a restart it can run a command of the user, which gets the names of these services.

mod background;
mod build;
mod sources;

pub(super) use background::{log, start, stop};

use crate::arguments::WatchArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use build::build;
use harness_core::stack::state;
use harness_history::counted;
use mcp_contracts::Service;
use notify::{EventKind, RecursiveMode, Watcher};
use sources::Sources;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Capacity of the queue of changes. A change that does not fit is dropped, because the queued changes start a build
/// anyway.
const MAX_WAITING: usize = 4_096;
/// Interval between two checks for an interrupt or for `--stop`.
const INTERRUPT_POLL: Duration = Duration::from_millis(100);
/// Time without a change after which a build starts. Editors write a file in several steps.
const QUIET: Duration = Duration::from_millis(60);

pub(crate) fn run(arguments: &WatchArguments, context: &Context) -> Result<Exit, Failure> {
    let folder = Path::new(state::FOLDER);
    if arguments.stop {
        let line = if stop(folder)? { "stopped the watch" } else { "no watch is running here" };
        context.print_note(line);
        return Ok(Exit::Pass);
    }
    if arguments.background {
        start(folder, arguments, context)?;
        return Ok(Exit::Pass);
    }
    let mut sources = Sources::of(&context.executable)?;
    let (sender, changes) = sync_channel(MAX_WAITING);
    let mut watcher = notify::recommended_watcher(move |event| {
        let _ = sender.try_send(event);
    })
    .map_err(Failure::internal)?;
    let mut watched = BTreeSet::new();
    follow(&mut watcher, &sources, &mut watched)?;
    // Registered only when the folders are watched: `start` waits for this, so no later change is missed.
    let _registered = background::register(folder)?;
    context.print(&format!("watching {}", counted(watched.len(), "folder", "folders")));
    while !context.cancel.is_cancelled() {
        let services = sources.affected(&next(&changes)?);
        if services.is_empty() {
            continue;
        }
        renew(&services, arguments, context);
        // The build may have new sources, in folders that are not watched yet.
        sources = Sources::of(&context.executable)?;
        follow(&mut watcher, &sources, &mut watched)?;
    }
    Ok(Exit::Pass)
}

/// Starts watching the folders that are not watched yet.
fn follow(watcher: &mut impl Watcher, sources: &Sources, watched: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
    for folder in sources.folders() {
        if !watched.contains(&folder) {
            let unwatched = |error| Failure::internal(format!("`{}` cannot be watched: {error}", folder.display()));
            watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(unwatched)?;
            watched.insert(folder);
        }
    }
    Ok(())
}

/// Returns the changed files, once no file has changed for [`QUIET`]. Returns an empty set if nothing changes within [`INTERRUPT_POLL`], so that the
/// caller can check for an interrupt.
fn next(changes: &Receiver<notify::Result<notify::Event>>) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut paths = BTreeSet::new();
    let mut wait = INTERRUPT_POLL;
    loop {
        match changes.recv_timeout(wait) {
            Ok(Ok(event)) if !matches!(event.kind, EventKind::Access(_)) => {
                paths.extend(event.paths);
                wait = QUIET;
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(Failure::internal(error)),
            Err(RecvTimeoutError::Timeout) => return Ok(paths),
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::internal("the file watcher has ended")),
        }
        if paths.len() > MAX_WAITING {
            return Ok(paths);
        }
    }
}

/// Builds services and restarts those whose programs changed. Prints a failure and does not retry: the next change starts the next build.
fn renew(services: &[Service], arguments: &WatchArguments, context: &Context) {
    let since = Instant::now();
    let names = |services: &[Service]| services.iter().map(|service| service.name()).collect::<Vec<_>>().join(", ");
    context.print(&format!("{} changed: building", names(services)));
    let renewed = match build(&context.executable, services, arguments.make.as_deref(), &context.cancel) {
        Ok(renewed) => renewed,
        Err(why) => return context.print(&format!("build failed: {why}; the running services are unchanged")),
    };
    if renewed.is_empty() {
        return context.print("built; no program changed");
    }
    let (built, since) = (since.elapsed(), Instant::now());
    let then = &arguments.then;
    let restarted = if then.is_empty() { restart(&renewed, context) } else { run_user_command(&renewed, then) };
    match restarted {
        Ok(()) => context.print(&format!(
            "{}: built in {:.1} s, ready again after {:.1} s",
            names(&renewed),
            built.as_secs_f64(),
            since.elapsed().as_secs_f64()
        )),
        Err(why) => context.print(&format!("{}: built, but the restart failed: {why}", names(&renewed))),
    }
}

/// Restarts parts of the local stack; ignores services that are not part of it.
fn restart(services: &[Service], context: &Context) -> Result<(), String> {
    let folder = Path::new(state::FOLDER);
    let stack = state::load(folder).map_err(|error| error.to_string())?;
    for service in services.iter().filter(|service| stack.topology.of(**service).next().is_some()) {
        let restarted = state::restart(folder, &context.executable, service.name());
        context.runtime.block_on(restarted).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Runs the user's command with the names of the services as arguments.
fn run_user_command(services: &[Service], then: &[String]) -> Result<(), String> {
    let (program, arguments) = then.split_first().ok_or("the command is empty")?;
    let status = Command::new(program).args(arguments).args(services.iter().map(|service| service.name())).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program}` ended with {status}")),
        Err(error) => Err(format!("`{program}` cannot be run: {error}")),
    }
}
