//! Runs a harness in another process, which injects one fault, and inspects the state of its stack from outside.

use harness_core::fault::FaultKind;
use harness_core::plan::topology::{PartKind, Topology};
use harness_core::stack::RunningPart;
use mcp_contracts::Service;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Deadline for the harness to end.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
/// The byte of SQLite's shared-memory file that a writer locks.
const WRITE_LOCK: libc::off_t = 120;

/// How the harness ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Heal,
    Drop,
    Panic,
    Interrupt,
    Terminate,
    Kill,
}

impl Ending {
    pub(crate) const ALL: [Self; 6] =
        [Self::Heal, Self::Drop, Self::Panic, Self::Interrupt, Self::Terminate, Self::Kill];
}

impl Ending {
    /// Returns true if the fault acts until the harness is ended from outside.
    pub(crate) const fn is_awaited(self) -> bool {
        matches!(self, Self::Interrupt | Self::Terminate | Self::Kill)
    }
}

/// Lifetime of the stack: with the harness, or longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    Yes,
    No,
}

pub(crate) struct Holder {
    folder: tempfile::TempDir,
    child: Child,
    output: BufReader<ChildStdout>,
    ending: Ending,
    parts: Vec<RunningPart>,
}

/// Everything that a fault can change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    processes: Vec<String>,
    redis: Vec<String>,
    files: Vec<(PathBuf, String)>,
}

impl Holder {
    pub(crate) fn start(topology: &Topology, stays: Stays, fault: &FaultKind, ending: Ending) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        for sub in ["logs", "data"] {
            std::fs::create_dir_all(dir.join(sub)).unwrap();
        }
        let build = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
        let program = build.join("examples/hold_fault");
        assert!(program.is_file(), "{} is not there: cargo build -p harness-core --examples", program.display());
        let ends = match ending {
            Ending::Heal => "heal",
            Ending::Drop => "drop",
            Ending::Panic => "panic",
            Ending::Interrupt | Ending::Terminate | Ending::Kill => "wait",
        };
        let mut child = Command::new(program)
            .arg(&dir)
            .arg(serde_json::to_string(topology).unwrap())
            .arg(if stays == Stays::Yes { "stays" } else { "dies" })
            .arg(serde_json::to_string(fault).unwrap())
            .arg(ends)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut holder = Self { folder, child, output, ending, parts: Vec::new() };
        let line = holder.line();
        holder.parts = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the stack did not come up: {line}"));
        holder
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Makes the harness inject, and waits until the fault acts.
    pub(crate) fn inject(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap(), "go").unwrap();
        assert_eq!(self.line(), "active");
    }

    /// Ends the harness as `ending` requires, and waits until it has ended.
    pub(crate) fn end(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        match self.ending {
            Ending::Heal | Ending::Drop | Ending::Panic => {}
            Ending::Interrupt => kill(pid, Signal::SIGINT).unwrap(),
            Ending::Terminate => kill(pid, Signal::SIGTERM).unwrap(),
            Ending::Kill => kill(pid, Signal::SIGKILL).unwrap(),
        }
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "the harness does not end by {:?}", self.ending);
            std::thread::sleep(PAUSE);
        };
        let in_order = !matches!(self.ending, Ending::Panic | Ending::Kill);
        let output = self.line();
        assert_eq!(status.success(), in_order, "{:?}: {status}, {output}", self.ending);
    }

    pub(crate) fn kill_watchdog(&self) {
        let parent = self.child.id().cast_signed();
        let all = procfs::process::all_processes().unwrap().flatten();
        let is_it = |process: &procfs::process::Process| {
            process.stat().is_ok_and(|stat| stat.ppid == parent)
                && process
                    .cmdline()
                    .is_ok_and(|words| words.iter().any(|word| word == harness_core::stack::reaper::SUBCOMMAND))
        };
        let watchdog = all.into_iter().find(is_it).expect("the harness has a watchdog");
        kill(Pid::from_raw(watchdog.pid), Signal::SIGKILL).unwrap();
    }

    /// Returns the processes whose working directory is in the holder's folder.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let folder = self.folder.path().canonicalize().unwrap();
        let all = procfs::process::all_processes().unwrap().flatten();
        let alive = all.filter(|process| process.stat().is_ok_and(|stat| stat.state != 'Z'));
        alive.filter(|process| process.cwd().is_ok_and(|cwd| cwd.starts_with(&folder))).map(|it| it.pid).collect()
    }

    /// Returns the present state of everything that a fault can change.
    pub(crate) async fn observe(&self) -> Observed {
        let mut redis = Vec::new();
        for part in self.parts.iter().filter(|part| part.kind == PartKind::Redis) {
            redis = redis_settings(&part.url).await.unwrap();
        }
        let processes = self.parts.iter().map(|part| process(part).unwrap()).collect();
        Observed { processes, redis, files: files(&self.dir().join("files")) }
    }

    /// Fails if anything of the fault remains; the error names it.
    pub(crate) async fn nothing_left(&self, fault: &FaultKind, before: &Observed) -> Result<(), String> {
        all_undone(&self.dir().join("undo.jsonl"))?;
        if let FaultKind::Kill(_) | FaultKind::Stop(_) | FaultKind::Restart(_) = fault {
            return Ok(());
        }
        let files = files(&self.dir().join("files"));
        let mut now = Observed { processes: Vec::new(), redis: Vec::new(), files };
        for part in &self.parts {
            now.processes.push(process(part)?);
            match part.kind {
                PartKind::Redis => now.redis = redis_settings(&part.url).await?,
                PartKind::Service(Service::Guardrails | Service::Patterns) | PartKind::Postgres | PartKind::Target => {}
                PartKind::Service(_) => unlocked(&self.dir().join("data").join(format!("{}.db-shm", part.name)))?,
            }
        }
        if now == *before { Ok(()) } else { Err(format!("{now:?} was {before:?}")) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Waits until `look` succeeds, at most `within`.
pub(crate) async fn until(what: &str, within: Duration, look: impl AsyncFn() -> Result<(), String>) {
    let start = Instant::now();
    loop {
        let Err(why) = look().await else { return };
        assert!(start.elapsed() < within, "{what}: {why}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Describes a process: whether it is stopped, its file size limit and its control groups.
fn process(part: &RunningPart) -> Result<String, String> {
    let process = procfs::process::Process::new(part.pid.unwrap().cast_signed()).map_err(|error| error.to_string())?;
    let stopped = process.stat().map_err(|error| error.to_string())?.state == 'T';
    let limit = process.limits().map_err(|error| error.to_string())?.max_file_size;
    let groups = process.cgroups().map_err(|error| error.to_string())?;
    Ok(format!("{} stopped {stopped} {limit:?} {groups:?}", part.name))
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut contents = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            contents.extend(files(&path));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            contents.push((path, text));
        }
    }
    contents.sort();
    contents
}

/// Fails if an entry of the undo log is not undone, or a control group of the harness exists.
fn all_undone(log: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for owed in lines.iter().map(|line| &line["owed"]).filter(|owed| owed.is_object()) {
        if !lines.iter().any(|line| line["done"]["id"] == owed["id"]) {
            return Err(format!("it is not undone: {owed}"));
        }
        if owed["undo"]["group"].as_str().is_some_and(|group| Path::new(group).exists()) {
            return Err(format!("the control group exists: {owed}"));
        }
    }
    Ok(())
}

/// Returns everything that a state of Redis changes. Fails if Redis does not serve.
async fn redis_settings(url: &str) -> Result<Vec<String>, String> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_millis(500)));
    let client = redis::Client::open(url).unwrap();
    let connected = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connected.map_err(|error| error.to_string())?;
    let mut ask = async |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        let reply: Result<redis::Value, _> = command.query_async(&mut connection).await;
        reply.map(|value| format!("{value:?}")).map_err(|error| format!("{words:?}: {error}"))
    };
    ask(&["EVAL", "return redis.call('SET', KEYS[1], '1', 'PX', '1')", "1", "a-test"]).await?;
    let clients = ask(&["CLIENT", "LIST"]).await?;
    if clients.contains("name=harness-fault") {
        return Err("the harness is connected".to_owned());
    }
    let replication = ask(&["INFO", "replication"]).await?;
    let role = if replication.contains("role:master") { "master" } else { "replica" };
    let filler = ask(&["EXISTS", "harness:fault:filler:1"]).await?;
    Ok(vec![ask(&["CONFIG", "GET", "*"]).await?, ask(&["ACL", "LIST"]).await?, role.to_owned(), filler])
}

/// Fails if another process has the lock of writers on a database.
fn unlocked(shared_memory: &Path) -> Result<(), String> {
    let file =
        std::fs::File::options().read(true).write(true).open(shared_memory).map_err(|error| error.to_string())?;
    let mut wanted = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: WRITE_LOCK,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut wanted)).map_err(|error| error.to_string())?;
    let free = i32::from(wanted.l_type) == libc::F_UNLCK;
    if free { Ok(()) } else { Err("the database is locked".to_owned()) }
}
