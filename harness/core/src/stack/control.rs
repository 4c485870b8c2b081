//! What may be done to a running stack: end, kill, pause and start a part at the same address, change its files, read its log, its metrics and
//! what passed its tapped edges. Everything has its deadline.

use super::{Running, RunningPart, Stack, StackError, given, process, ready};
use crate::plan::topology::PartKind;
use crate::stack::reaper::is_alive;
use chaos_proxy::{Exchange, Proxy};
use mcp_contracts::Service;
use mcp_contracts::service::METRICS_PATH;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a part whose process is there may say nothing before it is taken for one that lives.
const SILENCE: Duration = Duration::from_secs(5);
/// Pause between two questions whether it lives.
const LIFE_PAUSE: Duration = Duration::from_millis(5);

/// How a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

impl Ended {
    /// Tells whether it ended as a service should: by itself, with 0.
    pub fn cleanly(self) -> bool {
        self.code == Some(0)
    }
}

impl Stack {
    /// Ends a part at once, as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// It does not run, or somebody else runs it.
    pub async fn kill(&self, name: &str) -> Result<(), StackError> {
        match &self.running {
            Running::Processes(processes) => processes.kill(name).await,
            Running::Containers(containers) => containers.kill(name).await,
            Running::External => Err(StackError::control(name, "killed", "somebody else runs this stack")),
        }
    }

    /// Asks a part to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// It does not run, somebody else runs it, or it did not end in time and was killed.
    pub async fn terminate(&self, name: &str) -> Result<Ended, StackError> {
        match &self.running {
            Running::Processes(processes) => processes.terminate(name).await,
            Running::Containers(containers) => containers.terminate(name).await,
            Running::External => Err(StackError::control(name, "stopped", "somebody else runs this stack")),
        }
    }

    /// Holds a part where it is: it keeps its connections and answers nothing. A part that is told to end goes on with that.
    ///
    /// # Errors
    /// It does not run, or somebody else runs it.
    pub async fn pause(&self, name: &str) -> Result<(), StackError> {
        match &self.running {
            Running::Processes(processes) => processes.pause(name).await,
            Running::Containers(containers) => containers.pause(name).await,
            Running::External => Err(StackError::control(name, "paused", "somebody else runs this stack")),
        }
    }

    /// Lets a paused part go on.
    ///
    /// # Errors
    /// It does not run, or somebody else runs it.
    pub async fn resume(&self, name: &str) -> Result<(), StackError> {
        match &self.running {
            Running::Processes(processes) => processes.resume(name).await,
            Running::Containers(containers) => containers.resume(name).await,
            Running::External => Err(StackError::control(name, "resumed", "somebody else runs this stack")),
        }
    }

    /// Starts a part that has ended, at its address and with its data, and waits until it is ready.
    ///
    /// # Errors
    /// It runs already, or it does not come up.
    pub async fn start_again(&self, name: &str) -> Result<RunningPart, StackError> {
        let running = match &self.running {
            Running::Processes(processes) => processes.start_again(&self.request, name).await?,
            Running::Containers(containers) => containers.start_again(&self.request, name).await?,
            Running::External => return Err(StackError::control(name, "started", "somebody else runs this stack")),
        };
        if let Some(part) = self.lock().iter_mut().find(|part| part.name == name) {
            *part = running.clone();
        }
        Ok(running)
    }

    /// Tells whether a part lives: its process is there and answers. One that is being ended is there for a moment yet and answers nobody;
    /// one that is only slow, or stands still, lives.
    pub(crate) async fn lives(&self, name: &str) -> bool {
        let Some(part) = self.part(name) else { return false };
        let Some((pid, started)) = part.pid.zip(part.started) else { return true };
        let start = Instant::now();
        while is_alive(pid, started) {
            if ready::answers(&self.asker, &part).await || start.elapsed() >= SILENCE {
                return true;
            }
            tokio::time::sleep(LIFE_PAUSE).await;
        }
        false
    }

    /// Asks a part to end, then starts it again.
    ///
    /// # Errors
    /// See [`Stack::terminate`] and [`Stack::start_again`].
    pub async fn restart(&self, name: &str) -> Result<Ended, StackError> {
        let ended = self.terminate(name).await?;
        self.start_again(name).await?;
        Ok(ended)
    }

    /// Writes a file of rules or patterns, as a whole, where the service watches for changes.
    ///
    /// # Errors
    /// The stack was started without such a folder, or the file cannot be written.
    pub fn write_file(&self, service: Service, name: &str, text: &str) -> Result<(), StackError> {
        self.file(service, name)?;
        given::write(&given::folder(&self.request.dir, service), name, text)
            .map_err(|error| StackError::control(service.name(), "given a file", error))
    }

    /// Where such a file is on this machine, whether it is there or not.
    ///
    /// # Errors
    /// The stack was started without such a folder.
    pub fn file(&self, service: Service, name: &str) -> Result<PathBuf, StackError> {
        if !given::has_folder(&self.request.given, service) {
            let why = "the stack was started without a folder for it; give it a file at the start";
            return Err(StackError::control(service.name(), "given a file", why));
        }
        Ok(given::folder(&self.request.dir, service).join(name))
    }

    /// Removes such a file.
    ///
    /// # Errors
    /// It is not there.
    pub fn remove_file(&self, service: Service, name: &str) -> Result<(), StackError> {
        std::fs::remove_file(given::folder(&self.request.dir, service).join(name))
            .map_err(|error| StackError::control(service.name(), "relieved of a file", error))
    }

    /// Everything that a part has written to its log so far, over all its lives.
    ///
    /// # Errors
    /// It cannot be read, or somebody else runs the part.
    pub async fn log(&self, name: &str) -> Result<String, StackError> {
        let unreadable = |why: String| StackError::control(name, "read the log of", why);
        if let Running::Containers(containers) = &self.running {
            return containers.log(name).await;
        }
        let part = self.part(name).ok_or_else(|| unreadable("there is no such part".to_owned()))?;
        let path = part.log.ok_or_else(|| unreadable("somebody else runs this stack".to_owned()))?;
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The file of a part's SQLite database, where it is one of this machine.
    pub(crate) fn database(&self, name: &str) -> Option<PathBuf> {
        let part = self.request.topology.part(name).filter(|part| part.kind != PartKind::Redis)?;
        match &self.running {
            Running::Processes(_) => process::database(&self.request, part),
            Running::Containers(_) | Running::External => None,
        }
    }

    /// The metrics of a part, as Prometheus text.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self, name: &str) -> Result<String, StackError> {
        let silent = |why: String| StackError::control(name, "asked for its metrics", why);
        let part = self.part(name).filter(|part| part.kind != PartKind::Redis);
        let part = part.ok_or_else(|| silent("there is no such service".to_owned()))?;
        let reply = self.asker.get(format!("{}{METRICS_PATH}", part.url)).send().await;
        let reply = reply.and_then(reqwest::Response::error_for_status);
        let text = reply.map_err(|error| silent(error.to_string()))?.text().await;
        text.map_err(|error| silent(error.to_string()))
    }

    /// The HTTP exchanges that passed a tapped edge so far, and how many had to leave the log; a proof of absence needs this to be 0.
    /// `None` where the edge is not tapped.
    pub fn tapped(&self, from: &str, to: &str) -> Option<(Vec<Arc<Exchange>>, u64)> {
        self.ways.tap(from, to).map(|tap| (tap.exchanges(), tap.missed()))
    }

    /// The proxy on the way from one part, or from callers (`client`), to another: its rules, and what passed. `None` where the way is
    /// direct. A rule on it needs no undoing by anybody else: the proxy is part of this process, and with it every rule is gone.
    pub fn proxy(&self, from: &str, to: &str) -> Option<Arc<Proxy>> {
        self.ways.between(from, to)
    }
}
