//! A running stack, wherever it runs: started in the order of its topology, ready when every part says so, stopped in reverse.

mod docker;
mod external;
pub mod process;

use crate::labelled::DockerError;
use crate::plan::Backend;
use crate::reaper::Reaper;
use crate::topology::{PartKind, Topology};
use crate::view::{Event, View};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a part may take from its start to ready.
pub const START_DEADLINE: Duration = Duration::from_secs(30);
/// Pause between two questions whether a part is ready.
const READY_PAUSE: Duration = Duration::from_millis(10);
/// Most lines of a log that an error shows.
const TAIL_LINES: usize = 12;

/// What it takes to start a stack.
#[derive(Clone)]
pub struct StackRequest {
    /// Where it runs.
    pub backend: Backend,
    /// Its parts.
    pub topology: Topology,
    /// Folder for data and logs; must exist.
    pub dir: PathBuf,
    /// Key of tokens.
    pub secret: String,
    /// The harness's own program, next to which the services' are.
    pub executable: PathBuf,
    /// True leaves the stack running when the harness ends.
    pub detached: bool,
}

/// A part that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningPart {
    /// Its name in the topology.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// Base URL of a service, or `redis://…`.
    pub url: String,
    /// Its process on this machine, if it has one that can be seen.
    pub pid: Option<u32>,
    /// Start of that process in clock ticks since boot.
    pub started: Option<u64>,
    /// Its container, if it runs in one.
    pub container: Option<String>,
    /// Where its log is.
    pub log: Option<PathBuf>,
}

/// Why a stack did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The program of a part is not there.
    #[error("`{binary}` is not there: looked in {looked}\nhint: {hint}")]
    MissingBinary {
        /// Its name.
        binary: String,
        /// Folders that were looked in.
        looked: String,
        /// What to do.
        hint: String,
    },
    /// A part cannot be started.
    #[error("`{part}` cannot be started: {why}")]
    Start {
        /// Name of the part.
        part: String,
        /// What the system said.
        why: String,
    },
    /// A part ended before it was ready.
    #[error("`{part}` ended while it was starting ({status}); its last lines:\n{tail}")]
    Died {
        /// Name of the part.
        part: String,
        /// How it ended.
        status: String,
        /// End of its log.
        tail: String,
    },
    /// A part did not become ready in time.
    #[error("`{part}` was not ready after {seconds} s: {last}; its last lines:\n{tail}")]
    NotReady {
        /// Name of the part.
        part: String,
        /// The deadline.
        seconds: u64,
        /// What it answered last.
        last: String,
        /// End of its log.
        tail: String,
    },
    /// Docker does not answer.
    #[error("no Docker daemon answers: {why}\nhint: start Docker, or use `--backend process`, which needs none")]
    NoDocker {
        /// What was said.
        why: String,
    },
    /// An image is missing.
    #[error("image `{image}` is not there\nhint: make the images with `make images`, or use `--backend process`")]
    MissingImage {
        /// Its name.
        image: String,
    },
    /// A stack that somebody else runs does not answer.
    #[error(
        "`{part}` at `{url}` does not answer: {why}\nhint: start it, or let the harness start one with `--backend process`"
    )]
    Unreachable {
        /// Name of the part.
        part: String,
        /// Where it should be.
        url: String,
        /// What happened.
        why: String,
    },
    /// Interrupted while starting.
    #[error("interrupted while the stack was starting")]
    Interrupted,
}

impl From<DockerError> for StackError {
    fn from(error: DockerError) -> Self {
        Self::NoDocker { why: error.to_string() }
    }
}

/// A stack that is ready.
pub struct Stack {
    parts: Vec<RunningPart>,
    running: Running,
    reaper: Option<Reaper>,
    label: Option<String>,
}

enum Running {
    Processes(Vec<process::PartProcess>),
    Containers(docker::Containers),
    External,
}

impl Stack {
    /// Starts a stack and waits until it is ready. On an error nothing is left behind.
    ///
    /// # Errors
    /// Says which part failed, why, and what its log said last.
    pub async fn start(
        request: &StackRequest,
        view: &Arc<dyn View>,
        cancel: &CancellationToken,
    ) -> Result<Self, StackError> {
        let reaper = match (&request.backend, request.detached) {
            (Backend::External { .. }, _) | (_, true) => None,
            (Backend::Process | Backend::Docker, false) => {
                let reaper = Reaper::start(&request.executable);
                Some(reaper.map_err(|error| StackError::Start { part: "reaper".to_owned(), why: error.to_string() })?)
            }
        };
        let starting = async {
            match &request.backend {
                Backend::Process => {
                    let (parts, processes) = process::start(request, reaper.as_ref(), view).await?;
                    Ok((parts, Running::Processes(processes), None))
                }
                Backend::Docker => {
                    let (parts, containers) = docker::start(request, reaper.as_ref(), view).await?;
                    let label = containers.label().to_owned();
                    Ok((parts, Running::Containers(containers), Some(label)))
                }
                Backend::External { urls } => Ok((external::check(request, urls).await?, Running::External, None)),
            }
        };
        let result = tokio::select! {
            result = Box::pin(starting) => result,
            () = cancel.cancelled() => Err(StackError::Interrupted),
        };
        match result {
            Ok((parts, running, label)) => Ok(Self { parts, running, reaper, label }),
            // The reaper's list is not struck: closing its input ends what had been started.
            Err(error) => Err(error),
        }
    }

    /// Its parts.
    pub fn parts(&self) -> &[RunningPart] {
        &self.parts
    }

    /// The label of its containers, if it has any.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// MCP endpoint by service name.
    pub fn endpoints(&self) -> BTreeMap<String, String> {
        let services = self.parts.iter().filter(|part| part.kind != PartKind::Redis);
        services.map(|part| (part.name.clone(), format!("{}{}", part.url, mcp_contracts::service::MCP_PATH))).collect()
    }

    /// Stops it in reverse order and strikes it from the reaper's list.
    pub async fn stop(self) {
        match self.running {
            Running::Processes(processes) => process::stop(processes).await,
            Running::Containers(containers) => containers.stop().await,
            Running::External => {}
        }
        if let Some(reaper) = self.reaper {
            let _ = tokio::task::spawn_blocking(move || reaper.release()).await;
        }
    }

    /// Leaves it running.
    pub fn leave(self) -> Vec<RunningPart> {
        match self.running {
            Running::Processes(processes) => processes.into_iter().for_each(process::PartProcess::leave),
            Running::Containers(containers) => containers.leave(),
            Running::External => {}
        }
        self.parts
    }
}

/// Waits until `base` says that it is ready; `alive` tells how it ended, if it did.
async fn wait_ready(
    part: &str,
    base: &str,
    log: Option<&std::path::Path>,
    mut ended: impl FnMut() -> Option<String>,
) -> Result<(), StackError> {
    let start = Instant::now();
    let tail = || log.map(log_tail).unwrap_or_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    let client = client.map_err(|error| StackError::Start { part: part.to_owned(), why: error.to_string() })?;
    let url = format!("{base}{}", mcp_contracts::service::READYZ_PATH);
    let mut last = "no answer".to_owned();
    while start.elapsed() < START_DEADLINE {
        if let Some(status) = ended() {
            return Err(StackError::Died { part: part.to_owned(), status, tail: tail() });
        }
        match client.get(&url).send().await {
            Ok(reply) if reply.status().is_success() => return Ok(()),
            Ok(reply) => last = reply.text().await.unwrap_or_default(),
            Err(error) => last = error.without_url().to_string(),
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    Err(StackError::NotReady { part: part.to_owned(), seconds: START_DEADLINE.as_secs(), last, tail: tail() })
}

/// The last lines of a log.
pub fn log_tail(path: &std::path::Path) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail: Vec<String> =
        lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("  {line}")).collect();
    if tail.is_empty() { "  (it wrote nothing)".to_owned() } else { tail.join("\n") }
}

fn tell_ready(view: &Arc<dyn View>, part: &str, since: Instant) {
    view.show(Event::PartReady { part: part.to_owned(), after: since.elapsed() });
}

/// The environment that every service of a stack gets, whatever it runs in.
fn service_environment(request: &StackRequest, part: &crate::topology::Part) -> BTreeMap<String, String> {
    use mcp_contracts::env;
    let mut values = part.settings.clone();
    values.insert(env::APP_ENV.to_owned(), "production".to_owned());
    values.insert(env::JWT_SECRET.to_owned(), request.secret.clone());
    values
}

/// A port of loopback that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
