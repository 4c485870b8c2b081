//! Actions on a running stack: end, kill, pause and restart a part, change its files, read its log, its metrics and the
//! exchanges on its tapped edges. Every wait has a deadline.

use super::{RunningPart, Stack, StackError, fixture, process, ready};
use crate::plan::topology::PartKind;
use crate::stack::process_id::is_alive;
use crate::stack::undo::ServerUndo;
use chaos_proxy::{Exchange, Proxy};
use mcp_contracts::Service;
use mcp_contracts::service::METRICS_PATH;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long [`Stack::is_running`] waits for an answer of a part whose process exists. A process that is ending has ended by
/// then.
const SILENCE: Duration = Duration::from_secs(5);
const LIFE_PAUSE: Duration = Duration::from_millis(5);

/// How a part has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Exit code of the part, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended the part, if one did.
    pub signal: Option<i32>,
}

impl Ended {
    /// Returns true if the part ended by itself with exit code 0, as a service does after SIGTERM.
    pub fn cleanly(self) -> bool {
        self.code == Some(0)
    }
}

/// How a program that ran beside the stack has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEnd {
    /// Exit code; `None` if it was killed, as at its deadline.
    pub code: Option<i32>,
    /// What it wrote to stderr.
    pub errors: String,
    pub took: Duration,
}

impl Stack {
    /// Ends a part by SIGKILL and waits until it has ended.
    ///
    /// # Errors
    /// It is not running, or the harness did not start it.
    pub async fn kill(&self, name: &str) -> Result<(), StackError> {
        self.runtime.kill(name).await
    }

    /// Asks a part to end, by SIGTERM, and waits until it has ended.
    ///
    /// # Errors
    /// It is not running, the harness did not start it, or it did not end in time and was killed.
    pub async fn terminate(&self, name: &str) -> Result<Ended, StackError> {
        self.runtime.terminate(name).await
    }

    /// Pauses a part: it keeps its connections and answers nothing. [`Stack::terminate`] ends a paused part too.
    ///
    /// # Errors
    /// It is not running, or the harness did not start it.
    pub async fn pause(&self, name: &str) -> Result<(), StackError> {
        self.runtime.pause(name).await
    }

    /// Resumes a paused part.
    ///
    /// # Errors
    /// It is not running, or the harness did not start it.
    pub async fn resume(&self, name: &str) -> Result<(), StackError> {
        self.runtime.resume(name).await
    }

    /// Changes environment variables of a part for its next start; `None` removes one. Returns their previous values.
    ///
    /// # Errors
    /// There is no such part, or the backend cannot change settings.
    pub fn reconfigure(&self, name: &str, changes: &[(&str, Option<&str>)]) -> Result<Vec<Option<String>>, StackError> {
        self.runtime.reconfigure(name, changes)
    }

    /// Runs the program of a part with other arguments, such as `backup FILE`, and waits until it ends. At its deadline
    /// it is killed.
    ///
    /// # Errors
    /// There is no such part, or its program cannot be run.
    pub async fn run_program(
        &self,
        name: &str,
        arguments: &[&str],
        deadline: Duration,
    ) -> Result<ProgramEnd, StackError> {
        self.runtime.run_program(&self.request, name, arguments, deadline).await
    }

    /// Starts a part that has ended, at its address and with its data, and waits until it is ready.
    ///
    /// # Errors
    /// It is running already, or it does not become ready.
    pub async fn start_again(&self, name: &str) -> Result<RunningPart, StackError> {
        let running = self.runtime.start_again(&self.request, name).await?;
        // The new process has another id, by which samples and faults find it.
        if let Some(part) = self.lock().iter_mut().find(|part| part.name == name) {
            *part = running.clone();
        }
        Ok(running)
    }

    /// Returns true if a part is alive. A process that answers is alive. A process that the system is ending exists for
    /// a moment longer and does not answer, so a silent process counts as alive only if it still exists after
    /// [`SILENCE`].
    pub(crate) async fn is_running(&self, name: &str) -> bool {
        let Some(part) = self.part(name) else { return false };
        // Without a visible process there is no sign that the part has ended.
        let Some((pid, started)) = part.pid.zip(part.started) else { return true };
        let start = Instant::now();
        while is_alive(pid, started) {
            if ready::answers(&self.http, part.kind, &part.url).await || start.elapsed() >= SILENCE {
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

    /// Replaces a file of rules or patterns, as a whole, in the folder that the service watches.
    ///
    /// # Errors
    /// The stack was started without such a folder, or the file cannot be written.
    pub fn write_file(&self, service: Service, name: &str, text: &str) -> Result<(), StackError> {
        // Without a folder of its own a service reads its built-in files, so a new file would have no effect.
        self.file(service, name)?;
        fixture::write(&fixture::folder(&self.request.dir, service), name, text)
            .map_err(|error| StackError::control(service.name(), "reconfigured", format!("`{name}`: {error}")))
    }

    /// Returns the path of such a file on this machine; the file need not exist.
    ///
    /// # Errors
    /// The stack was started without such a folder.
    pub fn file(&self, service: Service, name: &str) -> Result<PathBuf, StackError> {
        if !fixture::has_folder(&self.request.fixtures, service) {
            let why = "the stack was started without a folder of files for it; provide a file before the start";
            return Err(StackError::control(service.name(), "reconfigured", why));
        }
        Ok(fixture::folder(&self.request.dir, service).join(name))
    }

    /// Removes such a file.
    ///
    /// # Errors
    /// It does not exist, or it cannot be removed.
    pub fn remove_file(&self, service: Service, name: &str) -> Result<(), StackError> {
        std::fs::remove_file(fixture::folder(&self.request.dir, service).join(name))
            .map_err(|error| StackError::control(service.name(), "reconfigured", format!("`{name}`: {error}")))
    }

    /// Returns everything that a part has written to its log so far, over all its starts.
    ///
    /// # Errors
    /// It cannot be read, or the harness did not start the part.
    pub async fn log(&self, name: &str) -> Result<String, StackError> {
        let missing = || StackError::control(name, "queried for its log", "there is no such part");
        self.runtime.log(&self.part(name).ok_or_else(missing)?).await
    }

    /// Returns the file of a part's SQLite database, if it is on this machine.
    pub(crate) fn database(&self, name: &str) -> Option<PathBuf> {
        let part = self.request.topology.part(name).filter(|part| part.kind.service().is_some())?;
        self.runtime.database(&self.request, part)
    }

    /// Returns the processes of a database server; `None` if the part is none.
    pub(crate) fn server(&self, running: &RunningPart) -> Option<ServerUndo> {
        let part = self.request.topology.part(&running.name).filter(|part| part.kind == PartKind::Postgres)?;
        Some(process::postgres::server(&self.request, part, running.pid.zip(running.started)?))
    }

    /// Returns the metrics of a part, as Prometheus text.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self, name: &str) -> Result<String, StackError> {
        let unreadable = |why: String| StackError::control(name, "queried for its metrics", why);
        let part = self.part(name).filter(|part| part.kind.service().is_some());
        let part = part.ok_or_else(|| unreadable("there is no such service".to_owned()))?;
        let reply = self.http.get(format!("{}{METRICS_PATH}", part.url)).send().await;
        let reply = reply.and_then(reqwest::Response::error_for_status);
        let text = reply.map_err(|error| unreadable(error.to_string()))?.text().await;
        text.map_err(|error| unreadable(error.to_string()))
    }

    /// Returns the HTTP exchanges that passed a tapped edge so far, and the number of exchanges that the tap has
    /// dropped. Only if that number is 0, the list proves that a call was never made. `None` if the edge is not tapped.
    pub fn tapped_exchanges(&self, from: &str, to: &str) -> Option<(Vec<Arc<Exchange>>, u64)> {
        self.proxies.tap(from, to).map(|tap| (tap.exchanges(), tap.missed()))
    }

    /// Returns the proxy on the edge from one part, or from the clients (`client`), to another; `None` if the edge is
    /// direct.
    pub fn proxy(&self, from: &str, to: &str) -> Option<Arc<Proxy>> {
        self.proxies.between(from, to)
    }
}
