//! The process backend: plain processes on loopback, ports chosen by the system, data and logs in the stack's own folder.

use super::{
    RunningPart, START_DEADLINE, StackError, StackRequest, free_port, log_tail, service_environment, tell_ready,
    wait_ready,
};
use crate::reaper::{Reaper, start_time};
use crate::topology::{Part, PartKind};
use crate::view::View;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a part may take to end after it was asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// Attempts with another port where somebody else was faster.
const PORT_ATTEMPTS: usize = 4;
/// Pause between two questions whether Redis is there.
const REDIS_PAUSE: Duration = Duration::from_millis(5);

/// One process of the stack.
pub struct PartProcess {
    child: Child,
    pid: u32,
}

impl PartProcess {
    /// Leaves it running when the harness ends.
    pub(super) fn leave(self) {
        // Forgetting the handle is what keeps it from being killed with it.
        std::mem::forget(self.child);
    }

    fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    async fn end(mut self) {
        let _ = kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGTERM);
        if tokio::time::timeout(STOP_DEADLINE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

pub(super) async fn start(
    request: &StackRequest,
    reaper: Option<&Reaper>,
    view: &Arc<dyn View>,
) -> Result<(Vec<RunningPart>, Vec<PartProcess>), StackError> {
    let mut parts: Vec<RunningPart> = Vec::new();
    let mut processes = Vec::new();
    for part in &request.topology.parts {
        let since = Instant::now();
        let redis = parts.iter().find(|part| part.kind == PartKind::Redis).map(|part| part.url.clone());
        let (running, process) = start_part(request, part, redis, reaper).await?;
        parts.push(running);
        processes.push(process);
        tell_ready(view, &part.name, since);
    }
    Ok((parts, processes))
}

/// Stops processes, the last one first.
pub(super) async fn stop(processes: Vec<PartProcess>) {
    for process in processes.into_iter().rev() {
        process.end().await;
    }
}

async fn start_part(
    request: &StackRequest,
    part: &Part,
    redis: Option<String>,
    reaper: Option<&Reaper>,
) -> Result<(RunningPart, PartProcess), StackError> {
    let failed = |why: std::io::Error| StackError::Start { part: part.name.clone(), why: why.to_string() };
    let log = request.dir.join("logs").join(format!("{}.log", part.name));
    let mut attempt = 0;
    loop {
        attempt += 1;
        let port = free_port().map_err(failed)?;
        let (mut command, url) = match part.kind {
            PartKind::Redis => redis_command(request, part, port).map_err(|error| error.unwrap_or_else(failed))?,
            PartKind::Service(service) => {
                let binary = find_binary(request, service.binary())?;
                (service_command(request, part, &binary, port, redis.as_deref()), format!("http://127.0.0.1:{port}"))
            }
        };
        let output = std::fs::File::options().create(true).append(true).open(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        // A group of its own: Ctrl-C in a terminal reaches the harness alone, which then stops everything in order.
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(failed)?;
        let pid = child.id().ok_or_else(|| failed(std::io::Error::other("it ended at once")))?;
        if let Some(reaper) = reaper {
            reaper.watch_process(pid);
        }
        let mut process = PartProcess { child, pid };
        let ready = match part.kind {
            PartKind::Redis => wait_redis(&part.name, port, &log, &mut process).await,
            PartKind::Service(_) => wait_ready(&part.name, &url, Some(&log), || process.ended()).await,
        };
        match ready {
            Ok(()) => {
                let running = RunningPart {
                    name: part.name.clone(),
                    kind: part.kind,
                    url,
                    pid: Some(pid),
                    started: start_time(pid),
                    container: None,
                    log: Some(log),
                };
                return Ok((running, process));
            }
            Err(StackError::Died { ref tail, .. }) if attempt < PORT_ATTEMPTS && tail.contains("in use") => {}
            Err(error) => return Err(error),
        }
    }
}

fn service_command(request: &StackRequest, part: &Part, binary: &Path, port: u16, redis: Option<&str>) -> Command {
    use mcp_contracts::env;
    let mut values: BTreeMap<String, String> = service_environment(request, part);
    values.insert(env::LISTEN_ADDR.to_owned(), format!("127.0.0.1:{port}"));
    let database = request.dir.join("data").join(format!("{}.db", part.name));
    values.insert(env::DATABASE_URL.to_owned(), format!("sqlite://{}", database.display()));
    if let Some(redis) = redis {
        values.insert(env::REDIS_URL.to_owned(), redis.to_owned());
    }
    let mut command = Command::new(binary);
    // Nothing of the caller's environment decides about a run.
    command.env_clear().envs(values).current_dir(&request.dir);
    command
}

fn redis_command(
    request: &StackRequest,
    part: &Part,
    port: u16,
) -> Result<(Command, String), Result<StackError, std::io::Error>> {
    let folders: Vec<PathBuf> =
        ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from).to_vec();
    let on_path =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let found = on_path.iter().chain(&folders).map(|folder| folder.join("redis-server")).find(|file| file.is_file());
    let binary = found.ok_or_else(|| {
        Ok(StackError::MissingBinary {
            binary: "redis-server".to_owned(),
            looked: "the folders of PATH".to_owned(),
            hint: "install it, for example with `make redis`".to_owned(),
        })
    })?;
    let data = request.dir.join("data").join(&part.name);
    std::fs::create_dir_all(&data).map_err(Err)?;
    let mut command = Command::new(binary);
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"])
        .arg(data);
    Ok((command, format!("redis://127.0.0.1:{port}")))
}

/// Redis is there when it answers a ping.
async fn wait_redis(part: &str, port: u16, log: &Path, process: &mut PartProcess) -> Result<(), StackError> {
    let start = Instant::now();
    while start.elapsed() < START_DEADLINE {
        if let Some(status) = process.ended() {
            return Err(StackError::Died { part: part.to_owned(), status, tail: log_tail(log) });
        }
        if redis_answers(port).await.unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(REDIS_PAUSE).await;
    }
    let last = "no answer to PING".to_owned();
    Err(StackError::NotReady { part: part.to_owned(), seconds: START_DEADLINE.as_secs(), last, tail: log_tail(log) })
}

/// Tells whether a Redis on loopback answers a ping.
pub async fn redis_answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut reply = [0; 5];
    tokio::time::timeout(Duration::from_secs(1), stream.read_exact(&mut reply)).await??;
    Ok(&reply == b"+PONG")
}

/// Looks for a service's program beside the harness; in a workspace it is built there if it is missing.
fn find_binary(request: &StackRequest, name: &str) -> Result<PathBuf, StackError> {
    let folder = request.executable.parent().map(Path::to_owned).unwrap_or_default();
    // A test program lies one folder deeper than the binaries of its build.
    let candidates = [folder.join(name), folder.parent().map(|parent| parent.join(name)).unwrap_or_default()];
    candidates.iter().find(|file| file.is_file()).cloned().ok_or_else(|| StackError::MissingBinary {
        binary: name.to_owned(),
        looked: format!("`{}`", folder.display()),
        hint: "build it with `make release`, or `cargo build --workspace --bins` for a debug build".to_owned(),
    })
}
