//! The watch of a folder. The watch records its process id, so that it can run in the background and be stopped later.

use crate::arguments::WatchArguments;
use crate::context::Context;
use crate::exit::Failure;
use harness_core::stack::log_tail;
use harness_core::stack::process_id::{end_process, is_alive, start_time};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FILE: &str = "watch.json";
const LOG: &str = "logs/watch.log";
/// Deadline for the start of a watch, and for its end.
const DEADLINE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Serialize, Deserialize, PartialEq)]
struct Watch {
    pid: u32,
    // The start time, because the system may give the id of an ended watch to another process.
    started: u64,
}

/// Removes the record of the watch when it ends.
pub(super) struct Registered(PathBuf);

impl Drop for Registered {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Records this process as the watch of the folder.
pub(super) fn register(folder: &Path) -> Result<Registered, Failure> {
    if let Some(watch) = running(folder) {
        let hint = "`harness watch --stop` stops it";
        return Err(Failure::usage(format!("process {} is already watching this folder\nhint: {hint}", watch.pid)));
    }
    let pid = std::process::id();
    let watch = Watch { pid, started: start_time(pid).unwrap_or_default() };
    std::fs::create_dir_all(folder)?;
    let path = folder.join(FILE);
    std::fs::write(&path, serde_json::to_vec(&watch).map_err(Failure::internal)?)?;
    Ok(Registered(path))
}

/// Starts a watch in the background and waits until it is watching.
pub(in crate::command) fn start(folder: &Path, arguments: &WatchArguments, context: &Context) -> Result<(), Failure> {
    stop(folder)?;
    let path = folder.join(LOG);
    std::fs::create_dir_all(folder.join("logs"))?;
    let log = std::fs::File::create(&path)?;
    let mut command = Command::new(&context.executable);
    command.arg("watch").args(arguments.make.iter().flat_map(|target| ["--make", target]));
    command.arg("--").args(&arguments.then);
    // The watch gets its own process group, so that Ctrl-C in this terminal does not end it.
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let mut child = command.spawn()?;
    let since = Instant::now();
    while running(folder).is_none_or(|watch| watch.pid != child.id()) {
        let ended = child.try_wait()?.is_some();
        if ended || context.cancel.is_cancelled() || since.elapsed() > DEADLINE {
            let _ = child.kill().and_then(|()| child.wait().map(drop));
            return Err(Failure::internal(format!("the watch did not start; its last lines:\n{}", log_tail(&path))));
        }
        std::thread::sleep(PAUSE);
    }
    context.print_note(&format!("watching the sources; log: `{}`", path.display()));
    Ok(())
}

/// Stops the watch of a folder. Returns false if there is none.
pub(in crate::command) fn stop(folder: &Path) -> Result<bool, Failure> {
    let Some(watch) = running(folder) else { return Ok(false) };
    end_process(watch.pid, watch.started, Signal::SIGINT);
    let since = Instant::now();
    while is_alive(watch.pid, watch.started) {
        if since.elapsed() > DEADLINE {
            end_process(watch.pid, watch.started, Signal::SIGKILL);
        }
        std::thread::sleep(PAUSE);
    }
    match std::fs::remove_file(folder.join(FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(true),
    }
}

fn running(folder: &Path) -> Option<Watch> {
    let watch: Watch = serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()?;
    is_alive(watch.pid, watch.started).then_some(watch)
}

/// Returns the path of the log of the watch, if there is one.
pub(in crate::command) fn log(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(LOG)).filter(|path| path.is_file())
}
