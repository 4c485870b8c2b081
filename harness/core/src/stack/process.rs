//! The process backend: plain processes on loopback, data and logs in the stack's own folder. A part keeps its port over all its lives.

mod command;
use super::ports::port_of;
use super::ready::{redis, wait_ready};
use super::{Ended, Given, RunningPart, STOP_DEADLINE, StackError, StackRequest};
use crate::plan::topology::{Part, PartKind};
use crate::stack::reaper::{Reaper, start_time};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::process::Child;

/// Attempts with another port where somebody else was faster.
const PORT_ATTEMPTS: usize = 4;
/// Pause between two looks whether a process is stopped.
const HOLD_PAUSE: Duration = Duration::from_millis(2);

/// The processes of a stack.
pub(super) struct Processes {
    reaper: Option<Arc<Reaper>>,
    asker: reqwest::Client,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// The place of a part: what it takes to start it, again and again, and its process while it runs.
struct Slot {
    part: Part,
    port: u16,
    environment: BTreeMap<String, String>,
    process: tokio::sync::Mutex<Option<PartProcess>>,
}

/// One process of the stack.
struct PartProcess {
    child: Child,
    pid: u32,
}

impl PartProcess {
    fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid.cast_signed()), signal);
    }

    /// Asks it to end, also where it is paused; `None` where it had to be killed.
    async fn end(mut self) -> Option<ExitStatus> {
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
        if let Ok(status) = tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await {
            return status.ok();
        }
        let _ = self.child.kill().await;
        None
    }
}

impl Processes {
    pub(super) fn new(reaper: Option<Arc<Reaper>>, asker: reqwest::Client) -> Self {
        Self { reaper, asker, slots: Mutex::default() }
    }

    /// Starts a part for the first time, on a port that nobody else has.
    pub(super) async fn start(
        &self,
        request: &StackRequest,
        part: &Part,
        environment: BTreeMap<String, String>,
    ) -> Result<RunningPart, StackError> {
        put_database(request, part)?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let port = port_of(part)?;
            let slot = Slot {
                part: part.clone(),
                port,
                environment: environment.clone(),
                process: tokio::sync::Mutex::default(),
            };
            match self.run(request, &slot).await {
                Ok(running) => {
                    let mut slots = self.slots.lock();
                    slots.insert(part.name.clone(), Arc::new(slot));
                    return Ok(running);
                }
                Err(StackError::Died { ref tail, .. })
                    if attempt < PORT_ATTEMPTS && part.port.is_none() && tail.contains("in use") => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn start_again(&self, request: &StackRequest, name: &str) -> Result<RunningPart, StackError> {
        let slot = self.slot(name, "started")?;
        if slot.process.lock().await.is_some() {
            return Err(StackError::control(name, "started", "it runs already"));
        }
        self.run(request, &slot).await
    }

    async fn run(&self, request: &StackRequest, slot: &Slot) -> Result<RunningPart, StackError> {
        let (part, log) = (&slot.part, log_of(request, &slot.part));
        let failed = |error: std::io::Error| StackError::start(&part.name, error);
        let (mut command, url) = match part.kind {
            PartKind::Redis => (command::redis(request, part, slot.port)?, format!("redis://127.0.0.1:{}", slot.port)),
            PartKind::Service(service) => {
                let command = command::service(request, part, service, slot.port, &slot.environment)?;
                (command, format!("http://127.0.0.1:{}", slot.port))
            }
        };
        let output = std::fs::File::options().create(true).append(true).open(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        // A group of its own: Ctrl-C in a terminal reaches the harness alone, which then stops everything in order.
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(failed)?;
        let pid = child.id().ok_or_else(|| failed(std::io::Error::other("it ended at once")))?;
        if let Some(reaper) = &self.reaper {
            reaper.watch_process(pid);
        }
        let mut process = PartProcess { child, pid };
        match part.kind {
            PartKind::Redis => redis::wait(&part.name, slot.port, &log, || process.ended()).await?,
            PartKind::Service(_) => wait_ready(&self.asker, &part.name, &url, &log, || process.ended()).await?,
        }
        *slot.process.lock().await = Some(process);
        Ok(RunningPart {
            name: part.name.clone(),
            kind: part.kind,
            url,
            pid: Some(pid),
            started: start_time(pid),
            container: None,
            log: Some(log),
        })
    }

    pub(super) async fn kill(&self, name: &str) -> Result<(), StackError> {
        let mut process = self.take(name, "killed").await?;
        process.signal(Signal::SIGKILL);
        match tokio::time::timeout(STOP_DEADLINE, process.child.wait()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(StackError::control(name, "killed", "it did not end")),
        }
    }

    pub(super) async fn terminate(&self, name: &str) -> Result<Ended, StackError> {
        match self.take(name, "stopped").await?.end().await {
            Some(status) => Ok(Ended { code: status.code(), signal: status.signal() }),
            None => Err(StackError::control(
                name,
                "stopped",
                format!("it did not end within {} s and was killed", STOP_DEADLINE.as_secs()),
            )),
        }
    }

    pub(super) async fn pause(&self, name: &str) -> Result<(), StackError> {
        self.hold(name, "paused", Signal::SIGSTOP).await
    }

    pub(super) async fn resume(&self, name: &str) -> Result<(), StackError> {
        self.hold(name, "resumed", Signal::SIGCONT).await
    }

    /// Sends one of the two signals and waits until the process is as it wants it.
    async fn hold(&self, name: &str, what: &'static str, signal: Signal) -> Result<(), StackError> {
        let slot = self.slot(name, what)?;
        let process = slot.process.lock().await;
        let process = process.as_ref().ok_or_else(|| StackError::control(name, what, "it does not run"))?;
        process.signal(signal);
        let start = Instant::now();
        while is_stopped(process.pid) != (signal == Signal::SIGSTOP) {
            if start.elapsed() >= STOP_DEADLINE {
                return Err(StackError::control(name, what, "the system did not do it in time"));
            }
            tokio::time::sleep(HOLD_PAUSE).await;
        }
        Ok(())
    }

    async fn take(&self, name: &str, what: &'static str) -> Result<PartProcess, StackError> {
        let taken = self.slot(name, what)?.process.lock().await.take();
        taken.ok_or_else(|| StackError::control(name, what, "it does not run"))
    }

    fn slot(&self, name: &str, what: &'static str) -> Result<Arc<Slot>, StackError> {
        let slots = self.slots.lock();
        slots.get(name).cloned().ok_or_else(|| StackError::control(name, what, "there is no such part"))
    }

    /// Stops everything that runs: those that nobody needs any more first, those of a wave together.
    pub(super) async fn stop(&self, waves: &[Vec<&Part>]) {
        for wave in waves.iter().rev() {
            let ending = wave.iter().map(|part| async {
                if let Ok(process) = self.take(&part.name, "stopped").await {
                    process.end().await;
                }
            });
            futures::future::join_all(ending).await;
        }
    }

    /// Leaves everything running when the harness ends.
    pub(super) fn leave(self) {
        let slots = std::mem::take(&mut *self.slots.lock());
        for slot in slots.into_values() {
            if let Ok(mut process) = slot.process.try_lock()
                && let Some(process) = process.take()
            {
                // Forgetting the handle is what keeps it from being killed with it.
                std::mem::forget(process.child);
            }
        }
    }
}

/// Tells whether the system keeps a process from running.
fn is_stopped(pid: u32) -> bool {
    let stat = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.state == 'T')
}

fn log_of(request: &StackRequest, part: &Part) -> PathBuf {
    request.dir.join("logs").join(format!("{}.log", part.name))
}

fn database_of(request: &StackRequest, part: &Part) -> PathBuf {
    request.dir.join("data").join(format!("{}.db", part.data))
}

/// The database that a part uses: that of its settings, where they name one.
pub(super) fn database(request: &StackRequest, part: &Part) -> Option<PathBuf> {
    match part.settings.get(mcp_contracts::env::DATABASE_URL) {
        Some(url) => url.strip_prefix("sqlite://").map(|path| request.dir.join(path)),
        None => Some(database_of(request, part)),
    }
}

/// Puts a given database in place, once for all that share it.
fn put_database(request: &StackRequest, part: &Part) -> Result<(), StackError> {
    let given = request.given.iter().find_map(|given| match given {
        Given::Database { service, bytes } if part.kind == PartKind::Service(*service) => Some(bytes),
        Given::Database { .. } | Given::File { .. } => None,
    });
    let path = database_of(request, part);
    match given {
        Some(bytes) if !path.exists() => {
            std::fs::write(&path, bytes).map_err(|error| StackError::start(&part.name, error))
        }
        Some(_) | None => Ok(()),
    }
}

/// Looks for a program beside the harness.
fn find_binary(executable: &Path, name: &str) -> Result<PathBuf, StackError> {
    let folder = executable.parent().map(Path::to_owned).unwrap_or_default();
    // A test program lies one folder deeper than the binaries of its build.
    let candidates = [folder.join(name), folder.parent().map(|parent| parent.join(name)).unwrap_or_default()];
    candidates.iter().find(|file| file.is_file()).cloned().ok_or_else(|| StackError::MissingBinary {
        binary: name.to_owned(),
        looked: format!("`{}`", folder.display()),
        hint: "build it with `make release`, or `cargo build --workspace --bins` for a debug build".to_owned(),
    })
}
