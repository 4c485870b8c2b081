//! A stack that outlives the command that started it: `harness up` writes down what runs, `down`, `status` and `logs` read it.

use crate::plan::Backend;
use crate::plan::topology::{PartKind, Topology};
use crate::stack::labelled;
use crate::stack::reaper::{end_process, is_alive};
use crate::stack::view::View;
use crate::stack::{IMAGE_TAG, RunningPart, Stack, StackError, StackRequest, again};
use mcp_contracts::service::READYZ_PATH;
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

/// Folder of the state, in the current one.
pub const FOLDER: &str = ".harness";
const FILE: &str = "stack.json";
/// How long a part may take to end.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
const ASK_DEADLINE: Duration = Duration::from_secs(2);

/// What runs.
#[derive(Clone, Serialize, Deserialize)]
pub struct StackState {
    /// Where it runs.
    pub backend: Backend,
    /// Its parts, in start order.
    pub parts: Vec<RunningPart>,
    /// What it was made from.
    #[serde(default = "Topology::full")]
    pub topology: Topology,
    /// Label of its containers.
    pub label: Option<String>,
    /// Key of tokens; the file is readable by its owner alone.
    pub secret: String,
}

/// How a part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// `ready`, `not ready`, or `dead`.
    pub state: &'static str,
    /// What it says of itself, where it is not ready.
    pub detail: String,
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no stack.
    #[error("no stack is up here\nhint: `harness up` starts one")]
    None,
    /// There is one already.
    #[error("a stack is up here already\nhint: `harness status` shows it, `harness down` stops it")]
    Already,
    /// A file cannot be used.
    #[error("`{}` cannot be used: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The stack did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// Starts a stack that stays, and writes it down in `folder`.
///
/// # Errors
/// One is up already, or it does not come up.
pub async fn up(
    folder: &Path,
    mut request: StackRequest,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<StackState, StateError> {
    if let Ok(state) = load(folder) {
        if status(&state).await.iter().any(|part| part.state != "dead") {
            return Err(StateError::Already);
        }
        down(folder).await?;
    }
    let file = |error: std::io::Error| StateError::File { path: folder.to_owned(), why: error.to_string() };
    for sub in ["logs", "data"] {
        std::fs::create_dir_all(folder.join(sub)).map_err(file)?;
    }
    request.dir = std::path::absolute(folder).map_err(file)?;
    request.detached = true;
    let stack = Stack::start(&request, view, cancel).await?;
    let label = stack.label().map(str::to_owned);
    let parts = stack.leave();
    let state =
        StackState { backend: request.backend, parts, topology: request.topology, label, secret: request.secret };
    save(folder, &state)?;
    Ok(state)
}

/// What is up in `folder`.
///
/// # Errors
/// Nothing is.
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

/// Stops exactly what was started, and forgets it. Its data and logs stay.
///
/// # Errors
/// Nothing is up, or Docker does not answer.
pub async fn down(folder: &Path) -> Result<StackState, StateError> {
    let state = load(folder)?;
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

/// Asks a process to end and waits until it has; one that does not is killed.
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
    // One that this process started itself waits for a word of its parent; of any other there is nothing to hear.
    let _ = waitpid(Pid::from_raw(pid.cast_signed()), Some(WaitPidFlag::WNOHANG));
}

/// Ends one part of the stack that is up and starts it again, as its program is now: at its port and with its data. All others go on.
///
/// # Errors
/// Nothing is up, the part runs in a container, or it does not come up again.
pub async fn restart(folder: &Path, executable: &Path, name: &str) -> Result<RunningPart, StateError> {
    let mut state = load(folder)?;
    if state.backend != Backend::Process {
        let why = "it does not run as a process";
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
        given: Vec::new(),
        image_tag: IMAGE_TAG.to_owned(),
        seed: 0,
    };
    if let Some(part) = state.parts.iter().find(|part| part.name == name) {
        end(part).await;
    }
    let running = again::start(&request, &state.parts, name).await?;
    if let Some(part) = state.parts.iter_mut().find(|part| part.name == name) {
        *part = running.clone();
    }
    save(folder, &state)?;
    Ok(running)
}

/// Asks every part how it is.
pub async fn status(state: &StackState) -> Vec<PartStatus> {
    let mut parts = Vec::new();
    for part in &state.parts {
        let (state, detail) = match part.kind {
            PartKind::Redis => redis_state(part).await,
            PartKind::Service(_) => service_state(part).await,
        };
        parts.push(PartStatus { name: part.name.clone(), url: part.url.clone(), state, detail });
    }
    parts
}

async fn service_state(part: &RunningPart) -> (&'static str, String) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(ASK_DEADLINE).build() else {
        return ("dead", "no HTTP client".to_owned());
    };
    match client.get(format!("{}{READYZ_PATH}", part.url)).send().await {
        Ok(reply) if reply.status().is_success() => ("ready", String::new()),
        Ok(reply) => ("not ready", reply.text().await.unwrap_or_default()),
        Err(error) => ("dead", error.without_url().to_string()),
    }
}

async fn redis_state(part: &RunningPart) -> (&'static str, String) {
    let port = part.url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
    match super::ready::redis::answers(port).await {
        Ok(true) => ("ready", String::new()),
        Ok(false) => ("not ready", "no PONG".to_owned()),
        Err(error) => ("dead", error.to_string()),
    }
}
