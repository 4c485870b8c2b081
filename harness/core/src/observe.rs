//! Observes a run from outside: CPU and memory of every part, metrics of the services, versions, and the machine.

pub mod clock;
pub mod heartbeat;
pub mod machine;
pub mod pages;
pub mod record;
pub mod sample;

use crate::observe::clock::monotonic_us;
use crate::observe::sample::{Sample, Surroundings};
use crate::plan::run_dir;
use crate::plan::topology::PartKind;
use crate::stack::RunningPart;
use mcp_contracts::service::{METRICS_PATH, VERSION_PATH, VersionInfo};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interval between two samples.
const PERIOD: Duration = Duration::from_secs(1);
/// Deadline for the metrics or the version of a service.
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedProcess {
    /// Name of the part, or `driver`.
    pub part: String,
    pub pid: u32,
    /// True if the processes that it has started count as well: the work of a database server is done by those.
    pub with_children: bool,
}

/// Returns the processes of a stack that are visible on this machine.
pub fn local_processes(parts: &[RunningPart]) -> Vec<WatchedProcess> {
    let watched = |part: &RunningPart| {
        let with_children = part.kind == PartKind::Postgres;
        Some(WatchedProcess { part: part.name.clone(), pid: part.pid?, with_children })
    };
    parts.iter().filter_map(watched).collect()
}

/// Writes CPU and memory of the processes to `samples.jsonl` once a second until `stop`, and once more at the end.
/// Skips a process that has ended.
///
/// # Errors
/// The file cannot be written.
pub async fn sample(
    run_dir: &Path,
    epoch_us: u64,
    processes: &[WatchedProcess],
    stop: &CancellationToken,
) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(run_dir.join(run_dir::SAMPLES))?);
    let mut tick = tokio::time::interval(PERIOD);
    loop {
        // The last sample is taken after `stop`, so that the samples cover the run to its end.
        let last = tokio::select! {
            _ = tick.tick() => false,
            () = stop.cancelled() => true,
        };
        for process in processes {
            if let Some(sample) = read(process, epoch_us) {
                serde_json::to_writer(&mut file, &sample)?;
                file.write_all(b"\n")?;
            }
        }
        if last {
            return file.flush();
        }
    }
}

/// Returns the CPU time that a process has used; `None` if it has ended.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    stat(pid).map(|stat| Duration::from_micros(cpu_us(&stat)))
}

/// Returns the processes that a process has started and that have not ended.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let process = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.task_main_thread());
    process.and_then(|thread| thread.children()).unwrap_or_default()
}

fn stat(pid: u32) -> Option<procfs::process::Stat> {
    procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.stat()).ok()
}

fn cpu_us(stat: &procfs::process::Stat) -> u64 {
    in_us(stat.utime + stat.stime)
}

fn in_us(ticks: u64) -> u64 {
    ticks * 1_000_000 / procfs::ticks_per_second()
}

fn read(watched: &WatchedProcess, epoch_us: u64) -> Option<Sample> {
    let own = stat(watched.pid)?;
    let at_us = monotonic_us().saturating_sub(epoch_us);
    let (mut used_us, mut rss_bytes) = (cpu_us(&own), own.rss * procfs::page_size());
    if watched.with_children {
        // Those that have ended are in the figures of the process.
        used_us += in_us(u64::try_from(own.cutime + own.cstime).unwrap_or_default());
        for child in children(watched.pid) {
            let Some((stat, private_bytes)) = stat(child).zip(private_bytes(child)) else { continue };
            used_us += cpu_us(&stat);
            // Without the memory that the processes share, which the first one has as well.
            rss_bytes += private_bytes;
        }
    }
    Some(Sample { at_us, part: watched.part.clone(), cpu_us: used_us, rss_bytes })
}

/// Returns the memory of a process that it does not share with others.
fn private_bytes(pid: u32) -> Option<u64> {
    let memory = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.statm()).ok()?;
    Some(memory.resident.saturating_sub(memory.shared) * procfs::page_size())
}

/// Writes the metrics of every service to `metrics/<part>-<moment>.prom`. Skips a service that does not answer.
pub async fn metrics(run_dir: &Path, parts: &[RunningPart], moment: &str) {
    let folder = run_dir.join(run_dir::METRICS);
    for part in parts.iter().filter(|part| part.kind.service().is_some()) {
        if let Some(text) = fetch(&format!("{}{METRICS_PATH}", part.url)).await {
            // No check reads these files, so a failure to write them must not end the run.
            let _ = std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(folder.join(format!("{}-{moment}.prom", part.name)), text));
        }
    }
}

/// Collects the versions of the parts and the properties of the machine. No check uses them, only the report, so an unknown version is no error.
pub async fn surroundings(parts: &[RunningPart], stack_start: Duration) -> Surroundings {
    let mut part_versions = BTreeMap::new();
    for part in parts {
        let version = match part.kind {
            PartKind::Redis => redis_version(&part.url).await,
            PartKind::Postgres => part.pid.and_then(postgres_version),
            // A target has no route for it that every server has.
            PartKind::Target => None,
            PartKind::Service(_) => fetch(&format!("{}{VERSION_PATH}", part.url))
                .await
                .and_then(|text| serde_json::from_str::<VersionInfo>(&text).ok())
                .map(|info| info.version),
        };
        part_versions.insert(part.name.clone(), version.unwrap_or_else(|| "unknown".to_owned()));
    }
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory_bytes = {
        use procfs::Current;
        procfs::Meminfo::current().map_or(0, |memory| memory.mem_total)
    };
    Surroundings {
        started_at: jiff::Timestamp::now().to_string(),
        harness_version: env!("CARGO_PKG_VERSION").to_owned(),
        part_versions,
        cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u32),
        memory_bytes,
        system: format!("{} {} {}", std::env::consts::OS, kernel.trim(), std::env::consts::ARCH),
        stack_start_us: u64::try_from(stack_start.as_micros()).unwrap_or(u64::MAX),
    }
}

async fn fetch(url: &str) -> Option<String> {
    // Without `no_proxy`, a proxy in the environment of the user would receive the request.
    let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().ok()?;
    client.get(url).send().await.ok()?.error_for_status().ok()?.text().await.ok()
}

/// Returns the version of the program that is running as a server: `15.18`.
fn postgres_version(pid: u32) -> Option<String> {
    let program = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.exe()).ok()?;
    let output = std::process::Command::new(program).arg("--version").output().ok()?;
    // `postgres (PostgreSQL) 15.18 (Debian …)`
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(2).map(str::to_owned)
}

async fn redis_version(url: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = url.strip_prefix("redis://")?;
    let query = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
        stream.write_all(b"INFO server\r\n").await.ok()?;
        // The version is in one of the first lines of the reply, so one read is enough.
        let mut reply = vec![0; 2_048];
        let length = stream.read(&mut reply).await.ok()?;
        let text = String::from_utf8_lossy(&reply[..length]).into_owned();
        text.lines().find_map(|line| line.strip_prefix("redis_version:")).map(|version| version.trim().to_owned())
    };
    tokio::time::timeout(DEADLINE, query).await.ok()?
}
