//! The process backend: each part is a plain process on loopback. Data and logs are in the folder of the stack. A part
//! that is started again keeps its port, so its peers and clients need no new address.

pub mod postgres;

mod bounded_log;
mod command;
mod family;
mod foreign;
mod tls;

use super::ports::{holder, port_of};
use super::ready::wait_ready;
use super::runtime::{Action, PartRuntime};
use super::{Ended, Fixture, ProgramEnd, RunningPart, STOP_DEADLINE, StackError, StackRequest, TlsAccess};
use crate::plan::reach::ResolvedHost;
use crate::plan::target::{PORT_MARK, Start, Target};
use crate::plan::topology::{Part, PartKind};
use crate::stack::owned;
use crate::stack::process_id::start_time;
use crate::stack::undo_log::{UndoGuard, UndoLog};
use bounded_log::BoundedLog;
use family::Family;
use mcp_contracts::Service;
use nix::sys::signal::Signal;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Maximum number of attempts to start a part. Another program may take the port between the moment when it was free
/// and the moment when the part listens on it.
const PORT_ATTEMPTS: usize = 4;
/// Pause between two checks whether a process is stopped.
const STATE_PAUSE: Duration = Duration::from_millis(2);

pub(super) struct Processes {
    /// `None` if the parts outlive the harness.
    undo_log: Option<Arc<UndoLog>>,
    http: reqwest::Client,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
    /// The addresses of a target, once its port is known.
    resolved_host: Mutex<Option<ResolvedHost>>,
}

/// The process of a part while it is running, and everything that is needed to start it again.
struct Slot {
    part: Part,
    port: u16,
    /// Port of a Redis that also serves TLS.
    tls_port: Option<u16>,
    environment: Mutex<BTreeMap<String, String>>,
    // A tokio mutex, because it is held while a pause takes effect, so that no other action changes the process
    // meanwhile.
    process: tokio::sync::Mutex<Option<PartProcess>>,
}

struct PartProcess {
    child: Child,
    /// The processes that get the signals.
    family: Family,
    /// What copies the output of a target; our services bound their logs themselves.
    log: Option<BoundedLog>,
    /// Ends the process if the harness dies; `None` if the part outlives the harness.
    undo: Option<UndoGuard>,
}

impl PartProcess {
    fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// Returns how the process has ended, after its last lines are in the log.
    async fn ended_with_log(&mut self) -> Option<String> {
        let ended = self.ended()?;
        if let Some(log) = &mut self.log {
            log.finish().await;
        }
        Some(ended)
    }

    /// Asks the process to end and waits for the exit. Returns `None` if the process had to be killed.
    async fn end(mut self) -> Option<ExitStatus> {
        self.family.ask_to_end();
        // A paused process receives the signal only when it is resumed.
        self.family.signal(Signal::SIGCONT);
        let status = tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await;
        if status.is_err() {
            let _ = self.child.kill().await;
        }
        self.mark_ended().await;
        status.ok()?.ok()
    }

    /// Marks the process as ended in the undo log. The undo of a group ends what the process has left behind.
    async fn mark_ended(mut self) {
        if let Some(undo) = self.undo.take() {
            // If the process has not ended after all, the entry stays, and the reaper tries again.
            let _ = undo.undo().await;
        }
        if let Some(log) = &mut self.log {
            log.finish().await;
        }
    }
}

impl Slot {
    fn command_of(&self, request: &StackRequest, service: Service) -> Result<Command, StackError> {
        let environment = self.environment.lock().clone();
        command::service(request, &self.part, service, self.port, &environment)
    }

    /// Returns the command of a service; `None` for Redis and Postgres.
    fn service_command(&self, request: &StackRequest) -> Result<Option<Command>, StackError> {
        self.part.kind.service().map(|service| self.command_of(request, service)).transpose()
    }
}

/// A command that is ready to be started.
struct Prepared {
    command: Command,
    /// The base URL of a service, the endpoint of a target, `redis://…` or `postgres://…`.
    url: String,
    tls: Option<TlsAccess>,
    bounded: Option<BoundedLog>,
}

impl Slot {
    fn prepare(&self, request: &StackRequest, log: &Path) -> Result<Prepared, StackError> {
        let (part, port) = (&self.part, self.port);
        let failed = |error: std::io::Error| StackError::start(&part.name, error);
        let (mut command, url) = match part.kind {
            PartKind::Redis => (command::redis(request, part, port)?, format!("redis://127.0.0.1:{port}")),
            PartKind::Postgres => postgres::command(request, part, port)?,
            PartKind::Service(service) => (self.command_of(request, service)?, format!("http://127.0.0.1:{port}")),
            PartKind::Target => {
                let no_command = || StackError::start(&part.name, "the plan has no command that starts it");
                let (target, start) = started_target(request, part).ok_or_else(no_command)?;
                (foreign::command(request, start, port)?, target.url.replace(PORT_MARK, &port.to_string()))
            }
        };
        let folder = request.dir.join("data").join(&part.name);
        let tls = self.tls_port.map(|port| tls::listen(&mut command, &folder, port)).transpose().map_err(failed)?;
        let bounded = write_to_log(&mut command, part.kind, log).map_err(failed)?;
        // A terminal sends Ctrl-C to the whole process group of the harness. The part has its own group, so it is
        // running until the harness stops it.
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        Ok(Prepared { command, url, tls, bounded })
    }
}

/// Returns a target that the harness starts, and how.
fn started_target<'r>(request: &'r StackRequest, part: &Part) -> Option<(&'r Target, &'r Start)> {
    let target = request.backend.target().filter(|_| part.kind == PartKind::Target)?;
    Some((target, target.start.as_ref()?))
}

impl PartRuntime for Processes {
    fn resolved_host(&self) -> Option<ResolvedHost> {
        self.resolved_host.lock().clone()
    }

    fn start<'r>(
        &'r self,
        request: &'r StackRequest,
        part: &'r Part,
        environment: BTreeMap<String, String>,
    ) -> Action<'r, RunningPart> {
        Box::pin(async move {
            put_database(request, part)?;
            if part.kind == PartKind::Postgres {
                postgres::make_cluster(request, part).await?;
            }
            let mut attempt = 0;
            loop {
                attempt += 1;
                let (port, environment) = (port_for(request, part)?, Mutex::new(environment.clone()));
                let tls_port = part.tls.then(|| port_of(part)).transpose()?;
                let process = tokio::sync::Mutex::default();
                let slot = Slot { part: part.clone(), port, tls_port, environment, process };
                match self.run(request, &slot).await {
                    Ok(running) => {
                        self.slots.lock().insert(part.name.clone(), Arc::new(slot));
                        return Ok(running);
                    }
                    // Only a port that the harness chose is replaced: a part with a fixed port must not get another one.
                    // The words are those of the system, `Address already in use`, which services and Redis log.
                    Err(StackError::Died { ref tail, .. })
                        if attempt < PORT_ATTEMPTS && part.port.is_none() && tail.contains("in use") => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    fn start_again<'r>(&'r self, request: &'r StackRequest, name: &'r str) -> Action<'r, RunningPart> {
        Box::pin(async move {
            let slot = self.slot(name, "started")?;
            if slot.process.lock().await.is_some() {
                return Err(StackError::control(name, "started", "it is running already"));
            }
            self.run(request, &slot).await
        })
    }

    fn reconfigure(&self, name: &str, changes: &[(&str, Option<&str>)]) -> Result<Vec<Option<String>>, StackError> {
        let slot = self.slot(name, "reconfigured")?;
        let mut environment = slot.environment.lock();
        let previous = changes.iter().map(|(variable, value)| match value {
            Some(value) => environment.insert((*variable).to_owned(), (*value).to_owned()),
            None => environment.remove(*variable),
        });
        Ok(previous.collect())
    }

    fn run_program<'r>(
        &'r self,
        request: &'r StackRequest,
        name: &'r str,
        arguments: &'r [&'r str],
        deadline: Duration,
    ) -> Action<'r, ProgramEnd> {
        Box::pin(async move {
            let slot = self.slot(name, "run with other arguments")?;
            let failed = |error: std::io::Error| StackError::control(name, "run with other arguments", error);
            let mut command = slot
                .service_command(request)?
                .ok_or_else(|| StackError::control(name, "run with other arguments", "it is not a service"))?;
            command::with_arguments(&mut command, &slot.part, arguments);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let start = Instant::now();
            command.process_group(0).kill_on_drop(true);
            let child = self.spawn(command).await.map_err(failed)?;
            // At the deadline the future is dropped, and the handle kills the process.
            let ended = tokio::time::timeout(deadline, child.wait_with_output()).await;
            let took = start.elapsed();
            Ok(match ended {
                Ok(output) => {
                    let output = output.map_err(failed)?;
                    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                    ProgramEnd { code: output.status.code(), errors, took }
                }
                Err(_) => ProgramEnd { code: None, errors: "it was killed at its deadline".to_owned(), took },
            })
        })
    }

    fn kill<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        Box::pin(async move {
            // Taken out of its slot first: a part that is being killed is not running, whatever the wait below returns.
            let mut process = self.take(name, "killed").await?;
            process.family.signal(Signal::SIGKILL);
            match tokio::time::timeout(STOP_DEADLINE, process.child.wait()).await {
                Ok(_) => {
                    process.mark_ended().await;
                    Ok(())
                }
                Err(_) => Err(StackError::control(name, "killed", "it did not end")),
            }
        })
    }

    fn terminate<'r>(&'r self, name: &'r str) -> Action<'r, Ended> {
        Box::pin(async move {
            let status = self.take(name, "stopped").await?.end().await;
            let status = status.ok_or_else(|| {
                let why = format!("it did not end within {} s and was killed", STOP_DEADLINE.as_secs());
                StackError::control(name, "stopped", why)
            })?;
            Ok(Ended { code: status.code(), signal: status.signal() })
        })
    }

    fn pause<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        Box::pin(self.signal_and_wait(name, "paused", Signal::SIGSTOP))
    }

    fn resume<'r>(&'r self, name: &'r str) -> Action<'r, ()> {
        Box::pin(self.signal_and_wait(name, "resumed", Signal::SIGCONT))
    }

    fn stop<'r>(&'r self, waves: &'r [Vec<&'r Part>]) -> Action<'r, ()> {
        Box::pin(async move {
            for wave in waves.iter().rev() {
                let ending = wave.iter().map(|part| async {
                    if let Ok(process) = self.take(&part.name, "stopped").await {
                        process.end().await;
                    }
                });
                futures::future::join_all(ending).await;
            }
            Ok(())
        })
    }

    fn detach(self: Box<Self>) {
        for slot in std::mem::take(&mut *self.slots.lock()).into_values() {
            if let Ok(mut process) = slot.process.try_lock()
                && let Some(process) = process.take()
            {
                // The destructor of the handle would kill the process (`kill_on_drop`).
                std::mem::forget(process.child);
            }
        }
    }

    /// Returns the SQLite database in the part's settings or, if they name none, the one in the folder of the stack.
    fn database(&self, request: &StackRequest, part: &Part) -> Option<PathBuf> {
        match part.settings.get(mcp_contracts::env::DATABASE_URL) {
            // A relative path begins at the folder of the stack, which is the part's working directory.
            Some(url) => url.strip_prefix("sqlite://").map(|path| request.dir.join(path)),
            None => Some(database_of(request, part)).filter(|_| !request.topology.is_on_postgres(part)),
        }
    }
}

impl Processes {
    pub(super) fn new(undo_log: Option<Arc<UndoLog>>, http: reqwest::Client) -> Self {
        Self { undo_log, http, slots: Mutex::default(), resolved_host: Mutex::default() }
    }

    /// Starts a process, which dies with the harness unless the parts outlive it.
    async fn spawn(&self, mut command: Command) -> std::io::Result<Child> {
        match self.undo_log {
            Some(_) => owned::spawn(command).await,
            None => command.spawn(),
        }
    }

    async fn run(&self, request: &StackRequest, slot: &Slot) -> Result<RunningPart, StackError> {
        let (part, log) = (&slot.part, log_of(request, &slot.part));
        let failed = |error: std::io::Error| StackError::start(&part.name, error);
        let Prepared { command, url, tls, bounded } = slot.prepare(request, &log)?;
        let child = self.spawn(command).await.map_err(failed)?;
        let ended = || failed(std::io::Error::other("it ended at once"));
        let pid = child.id().ok_or_else(ended)?;
        let started = start_time(pid).ok_or_else(ended)?;
        let family = Family::of(request, part, (pid, started));
        let undo = self.undo_log.as_ref().map(|log| log.must_undo(family.must_end())).transpose();
        let undo = undo.map_err(|error| StackError::start(&part.name, error))?;
        // Stored in the slot only when it is ready: until then the handle is local, so a start that fails or is
        // cancelled kills the process (`kill_on_drop`).
        let mut process = PartProcess { child, family, log: bounded, undo };
        let (mut pid, mut started) = (pid, started);
        if let Some((target, start)) = started_target(request, part) {
            let out_of_reach = |why: String| StackError::TargetOutOfReach { url: url.clone(), why };
            let resolved_host = target.reach.resolve(&url).await.map_err(out_of_reach)?;
            *self.resolved_host.lock() = Some(resolved_host);
            foreign::wait_ready(&self.http, start, &url, &log, &mut process).await?;
            // Faults and samples are about the process that serves, which may be a child of the launcher.
            let serving = holder::listening(slot.port, pid).and_then(|pid| Some((pid, start_time(pid)?)));
            (pid, started) = serving.unwrap_or((pid, started));
        } else {
            wait_ready(&self.http, (&part.name, part.kind, &url), &log, || process.ended()).await?;
        }
        *slot.process.lock().await = Some(process);
        Ok(RunningPart {
            name: part.name.clone(),
            kind: part.kind,
            url,
            pid: Some(pid),
            started: Some(started),
            container: None,
            log: Some(log),
            tls,
        })
    }

    /// Sends SIGSTOP or SIGCONT and waits for the effect, because the kernel stops a process a moment after the signal.
    async fn signal_and_wait(&self, name: &str, what: &'static str, signal: Signal) -> Result<(), StackError> {
        let slot = self.slot(name, what)?;
        let process = slot.process.lock().await;
        let process = process.as_ref().ok_or_else(|| StackError::control(name, what, "it is not running"))?;
        process.family.signal(signal);
        let start = Instant::now();
        while process.family.is_stopped() != (signal == Signal::SIGSTOP) {
            if start.elapsed() >= STOP_DEADLINE {
                let why = format!("its process did not change within {} s", STOP_DEADLINE.as_secs());
                return Err(StackError::control(name, what, why));
            }
            tokio::time::sleep(STATE_PAUSE).await;
            // Again, because a server may have started another process before it got the signal.
            process.family.signal(signal);
        }
        Ok(())
    }

    async fn take(&self, name: &str, what: &'static str) -> Result<PartProcess, StackError> {
        let process = self.slot(name, what)?.process.lock().await.take();
        process.ok_or_else(|| StackError::control(name, what, "it is not running"))
    }

    fn slot(&self, name: &str, what: &'static str) -> Result<Arc<Slot>, StackError> {
        let slots = self.slots.lock();
        slots.get(name).cloned().ok_or_else(|| StackError::control(name, what, "there is no such part"))
    }
}

/// Returns the port of a part: for a target whose URL has one, that port.
fn port_for(request: &StackRequest, part: &Part) -> Result<u16, StackError> {
    let fixed = request.backend.target().filter(|_| part.kind == PartKind::Target).and_then(Target::fixed_port);
    match fixed {
        Some(port) => port_of(&Part { port: Some(port), ..part.clone() }),
        None => port_of(part),
    }
}

/// Makes a process write to its log. Returns what bounds the log, if the process does not bound it itself.
fn write_to_log(command: &mut Command, kind: PartKind, log: &Path) -> std::io::Result<Option<BoundedLog>> {
    if kind == PartKind::Target {
        let (bounded, output) = BoundedLog::open(log)?;
        let errors = output.try_clone()?;
        command.stdout(output).stderr(errors);
        return Ok(Some(bounded));
    }
    // Appended to, because a part that is started again continues its log, and `Stack::log` returns all of it.
    let output = std::fs::File::options().create(true).append(true).open(log)?;
    let errors = output.try_clone()?;
    command.stdout(output).stderr(errors);
    Ok(None)
}

fn log_of(request: &StackRequest, part: &Part) -> PathBuf {
    request.dir.join("logs").join(format!("{}.log", part.name))
}

fn database_of(request: &StackRequest, part: &Part) -> PathBuf {
    request.dir.join("data").join(format!("{}.db", part.data))
}

/// Writes the database that the request provides for a service.
fn put_database(request: &StackRequest, part: &Part) -> Result<(), StackError> {
    let bytes = request.fixtures.iter().find_map(|fixtures| match fixtures {
        Fixture::Database { service, bytes } if part.kind == PartKind::Service(*service) => Some(bytes),
        Fixture::Database { .. } | Fixture::File { .. } => None,
    });
    let path = database_of(request, part);
    match bytes {
        // The instances of a service share the file. A second copy would replace a database that the first one has
        // opened.
        Some(bytes) if !path.exists() => {
            std::fs::write(&path, bytes).map_err(|error| StackError::start(&part.name, error))
        }
        Some(_) | None => Ok(()),
    }
}

/// Finds a program in the folder of the harness.
fn find_binary(executable: &Path, name: &str) -> Result<PathBuf, StackError> {
    let folder = executable.parent().map(Path::to_owned).unwrap_or_default();
    // A test program is one folder deeper than the binaries of its build.
    let candidates = [folder.join(name), folder.parent().map(|parent| parent.join(name)).unwrap_or_default()];
    candidates.iter().find(|file| file.is_file()).cloned().ok_or_else(|| StackError::MissingBinary {
        binary: name.to_owned(),
        looked: format!("`{}`", folder.display()),
        hint: "build it with `make release`, or `cargo build --workspace --bins` for a debug build".to_owned(),
    })
}
