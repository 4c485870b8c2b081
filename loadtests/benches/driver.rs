//! The cost of the driver: CPU time per checked call, compared with a loop that only writes and reads bytes over the
//! same number of connections in the same run. The service is a separate process, so that the figures do not include
//! its cost.
#![expect(clippy::unwrap_used, reason = "a failed step of a benchmark is its failure")]

#[path = "../tests/support/server.rs"]
#[expect(dead_code, reason = "only the tests make the service stall and read what it received")]
mod server;

use harness_core::drive::{Assignment, DriverReport};
use harness_core::observe::clock::monotonic_us;
use harness_core::plan::workload::Workload;
use loadtests::{Overrides, drive, workload};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use server::{Behaviour, Server};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The allocator of the program that is shipped.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVE: &str = "serve";
const USERS: u32 = 100;
const SECONDS: u64 = 5;
/// Maximum CPU seconds for 100,000 checked calls of a hundred users.
const ALLOWED_CPU_S: f64 = 1.8;
/// Maximum memory of the driver, in MiB.
const ALLOWED_MIB: f64 = 40.0;

fn main() {
    if std::env::args().any(|argument| argument == SERVE) {
        serve();
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(SERVE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(driver(address));
    let bare = runtime.block_on(bare(address));
    drop(child.stdin.take());
    child.wait().unwrap();
    let cost = per_100k(report.cpu_us, report.calls);
    let mib = report.rss_peak_bytes as f64 / f64::from(1 << 20);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "driver: {cost:.2} CPU-s per 100,000 checked calls ({} calls), allowed {ALLOWED_CPU_S}",
        report.calls
    )
    .unwrap();
    writeln!(out, "bare loop of writes and reads: {bare:.2} CPU-s per 100,000; ratio {:.2}", cost / bare).unwrap();
    writeln!(out, "driver memory at its peak: {mib:.1} MiB, allowed {ALLOWED_MIB}").unwrap();
}

/// The service: prints its address, and ends with its parent.
fn serve() {
    let server = Server::start(Behaviour::default());
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", server.address).unwrap();
    out.flush().unwrap();
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

fn per_100k(cpu_us: u64, calls: u64) -> f64 {
    cpu_us as f64 / 1e6 / (calls as f64 / 1e5)
}

async fn driver(address: SocketAddr) -> DriverReport {
    let overrides = Overrides {
        users: Some(USERS),
        warmup: Some(Duration::from_secs(1)),
        duration: Some(Duration::from_secs(SECONDS)),
        think_time: Some(Duration::ZERO),
        ..Overrides::default()
    };
    let workload = Workload { final_read_concurrency: 1, ..workload("memory-classic", &overrides).unwrap() };
    let dir = tempfile::tempdir().unwrap();
    let assignment = Assignment {
        run_dir: dir.path().to_owned(),
        endpoints: BTreeMap::from([("memory".to_owned(), format!("http://{address}/mcp"))]),
        jwt_secret: "0123456789abcdef0123456789abcdef".to_owned(),
        epoch_us: monotonic_us(),
        seed: 1,
        workload,
        target: None,
    };
    Box::pin(drive(assignment, CancellationToken::new(), |_| Ok(()))).await.unwrap()
}

/// The same number of connections and one fixed request. Replies are counted by their length and not parsed.
async fn bare(address: SocketAddr) -> f64 {
    let token = "e30.eyJvcmdJZCI6Im8iLCJzdWIiOiJ1In0.x";
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_memory","arguments":{"id":"none"}}}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        (usage.user_time() + usage.system_time()).num_microseconds().unsigned_abs()
    };
    let (before, until_us) = (cpu(), monotonic_us() + SECONDS * 1_000_000);
    let mut users = JoinSet::new();
    for _ in 0..USERS {
        let request = request.clone();
        users.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut calls, mut length, mut buffer) = (0, 0, vec![0; 16 << 10]);
            while monotonic_us() < until_us {
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut read = stream.read(&mut buffer).await.unwrap();
                // Every reply is the same; the first one, read in one piece, has the length.
                length = length.max(read);
                while read < length {
                    read += stream.read(&mut buffer).await.unwrap();
                }
                calls += 1;
            }
            calls
        });
    }
    let mut calls = 0;
    while let Some(of_one) = users.join_next().await {
        calls += of_one.unwrap();
    }
    per_100k(cpu() - before, calls)
}
