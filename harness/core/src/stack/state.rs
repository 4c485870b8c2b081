//! The state of a detached stack, which outlives the command that started it. `harness up` writes the state to a file;
//! `down`, `status` and `logs` read it.

use crate::plan::Backend;
use crate::plan::topology::Topology;
use crate::stack::labelled;
use crate::stack::process_id::{end_process, is_alive};
use crate::stack::ready::{self, Readiness};
use crate::stack::view::View;
use crate::stack::{IMAGE_TAG, RunningPart, STOP_DEADLINE, Stack, StackError, StackRequest, restart_part};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Folder of the state, below the current directory.
pub const FOLDER: &str = ".harness";
const FILE: &str = "stack.json";
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Serialize, Deserialize)]
pub struct StackState {
    pub backend: Backend,
    /// In start order.
    pub parts: Vec<RunningPart>,
    // State files of earlier versions do not have this key.
    #[serde(default = "Topology::full")]
    pub topology: Topology,
    /// The label of the stack's containers; `None` if it has none.
    pub label: Option<String>,
    /// The key that signs tokens. Only the owner may read the file, because it contains this key.
    pub secret: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    pub name: String,
    pub url: String,
    /// `ready`, `not ready`, or `dead`.
    pub state: &'static str,
    /// The response of a part that is not ready, or the error.
    pub detail: String,
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("no stack is running in this folder\nhint: `harness up` starts one")]
    None,
    #[error("a stack is already running in this folder\nhint: `harness status` shows it, `harness down` stops it")]
    Already,
    #[error("`{}` cannot be used: {why}", path.display())]
    File { path: PathBuf, why: String },
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// Starts a detached stack and writes its state to `folder`.
///
/// # Errors
/// A stack is up already, or this one does not start.
pub async fn up(
    folder: &Path,
    mut request: StackRequest,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<StackState, StateError> {
    match load(folder) {
        Ok(state) => {
            if status(&state).await.iter().any(|part| part.state != "dead") {
                return Err(StateError::Already);
            }
            // Every part is dead, for example after a reboot, so the rest of that stack is removed.
            down(folder).await?;
        }
        Err(StateError::None) => {}
        // A stack may be up whose state cannot be read. A second one in its folder would share its databases.
        Err(error) => return Err(error),
    }
    let file = |error: std::io::Error| StateError::File { path: folder.to_owned(), why: error.to_string() };
    for sub in ["logs", "data"] {
        std::fs::create_dir_all(folder.join(sub)).map_err(file)?;
    }
    request.dir = std::path::absolute(folder).map_err(file)?;
    // The folder is absolute, because each part has a working directory of its own.
    request.detached = true;
    let stack = Stack::start(&request, view, cancel).await?;
    let label = stack.label().map(str::to_owned);
    let state = StackState {
        backend: request.backend,
        parts: stack.parts(),
        topology: request.topology,
        label,
        secret: request.secret,
    };
    // Saved before the stack is given up: without its state, `down` could not stop it.
    if let Err(error) = save(folder, &state) {
        stack.stop().await?;
        return Err(error);
    }
    stack.detach();
    Ok(state)
}

/// Reads the state of the stack that is up in `folder`.
///
/// # Errors
/// No stack is up.
pub fn load(folder: &Path) -> Result<StackState, StateError> {
    let path = folder.join(FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StateError::None),
        Err(error) => return Err(StateError::File { path, why: error.to_string() }),
    };
    serde_json::from_slice(&text).map_err(|error| StateError::File { path, why: error.to_string() })
}

fn save(folder: &Path, state: &StackState) -> Result<(), StateError> {
    let path = folder.join(FILE);
    let write = || {
        let text = serde_json::to_vec_pretty(state)?;
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path)?.write_all(&text)
    };
    write().map_err(|error: std::io::Error| StateError::File { path: path.clone(), why: error.to_string() })
}

/// Stops the parts that `up` started, and removes the state. Keeps the data and the logs.
///
/// # Errors
/// No stack is up, or Docker does not answer.
pub async fn down(folder: &Path) -> Result<StackState, StateError> {
    let state = load(folder)?;
    // In reverse start order, so that each part can use the parts that it calls until it has ended.
    for part in state.parts.iter().rev() {
        end(part).await;
    }
    if let Some(label) = &state.label {
        labelled::remove(label).await.map_err(StackError::from)?;
    }
    let path = folder.join(FILE);
    std::fs::remove_file(&path).map_err(|error| StateError::File { path, why: error.to_string() })?;
    Ok(state)
}

/// Ends the process of a part with SIGTERM, or with SIGKILL after the deadline. Does nothing for a container.
async fn end(part: &RunningPart) {
    let (None, Some(pid), Some(started)) = (&part.container, part.pid, part.started) else { return };
    end_process(pid, started, Signal::SIGTERM);
    let start = Instant::now();
    while is_alive(pid, started) && start.elapsed() < STOP_DEADLINE {
        tokio::time::sleep(PAUSE).await;
    }
    if is_alive(pid, started) {
        end_process(pid, started, Signal::SIGKILL);
    }
    // A child of this process stays a zombie until this call. For any other process the call fails.
    let _ = waitpid(Pid::from_raw(pid.cast_signed()), Some(WaitPidFlag::WNOHANG));
}

/// Ends one part of the stack and starts it again, with the same port and data. The new process runs the program that
/// is on the disk now. The other parts are not changed.
///
/// # Errors
/// No stack is up, the part runs in a container, or it does not start.
pub async fn restart(folder: &Path, executable: &Path, name: &str) -> Result<RunningPart, StateError> {
    let mut state = load(folder)?;
    if state.backend != Backend::Process {
        let why = "it is not a process";
        return Err(StackError::control(name, "restarted", why).into());
    }
    let file = |error: std::io::Error| StateError::File { path: folder.to_owned(), why: error.to_string() };
    let request = StackRequest {
        backend: Backend::Process,
        topology: state.topology.clone(),
        dir: std::path::absolute(folder).map_err(file)?,
        secret: state.secret.clone(),
        executable: executable.to_owned(),
        detached: true,
        // `harness up` provides no fixtures, and a detached stack of processes uses neither images nor proxies.
        fixtures: Vec::new(),
        image_tag: IMAGE_TAG.to_owned(),
        seed: 0,
    };
    if let Some(part) = state.parts.iter().find(|part| part.name == name) {
        end(part).await;
    }
    let running = restart_part::start(&request, &state.parts, name).await?;
    if let Some(part) = state.parts.iter_mut().find(|part| part.name == name) {
        *part = running.clone();
    }
    save(folder, &state)?;
    Ok(running)
}

/// Requests the readiness of every part, one after another.
pub async fn status(state: &StackState) -> Vec<PartStatus> {
    let (http, mut parts) = (ready::http_client().unwrap_or_default(), Vec::new());
    for part in &state.parts {
        let (state, detail) = match ready::readiness(&http, part.kind, &part.url).await {
            Readiness::Ready => ("ready", String::new()),
            Readiness::NotReady(response) => ("not ready", response),
            Readiness::Silent(error) => ("dead", error),
        };
        parts.push(PartStatus { name: part.name.clone(), url: part.url.clone(), state, detail });
    }
    parts
}
