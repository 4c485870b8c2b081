//! The cost of an edge without rules: HTTP round trips over one connection and over fifty, as ratios to no proxy and to a bare copy loop.
//! Goals: at most 100 us added at the median of one connection; over fifty connections at least 0.65 x direct, or what the bare copy loop
//! reaches; never a wait of 35 ms, which would be a delayed acknowledgement. Everything runs in this process; client, proxy and upstream
//! have separate runtimes.
#![expect(clippy::unwrap_used, reason = "a failed step fails the benchmark")]

use chaos_proxy::{Options, Proxy};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Contents of requests and replies, in bytes.
const SIZES: [usize; 3] = [64, 4 << 10, 64 << 10];
const PASSES: usize = 5;
const ROUND_TRIPS: usize = 2_000;
const CONNECTIONS: usize = 50;
const LOAD: Duration = Duration::from_millis(800);
fn main() {
    let runtime = |threads| Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    let (far, middle) = (runtime(1), runtime(2));
    let near = Builder::new_current_thread().enable_all().build().unwrap();
    for size in SIZES {
        let upstream = far.block_on(listen(move |socket| serve(socket, size)));
        let bare = middle.block_on(listen(move |socket| copy(socket, upstream)));
        let [untapped, tapped] = [false, true].map(|tap| {
            let options = Options { tap, ..Options::default() };
            middle.block_on(Proxy::start_with("bench", upstream, options)).unwrap()
        });
        let paths = [
            ("direct", upstream),
            ("bare copy loop", bare),
            ("proxy", untapped.address()),
            ("proxy, tap on", tapped.address()),
        ];
        compare(&near, size, &paths);
        middle.block_on(async {
            untapped.close().await;
            tapped.close().await;
        });
    }
}

/// The measurements of a path, one value for each pass.
#[derive(Default)]
struct Figures {
    median_us: Vec<f64>,
    rate: Vec<f64>,
    worst: Duration,
}

/// Measures the paths in turns, so that other load on the machine affects all of them. Ratios compare values of the same turn.
fn compare(near: &Runtime, size: usize, paths: &[(&str, SocketAddr); 4]) {
    let mut figures: [Figures; 4] = Default::default();
    for _ in 0..PASSES {
        for ((_, address), figures) in paths.iter().zip(&mut figures) {
            let times = near.block_on(round_trips(*address, size, ROUND_TRIPS));
            figures.median_us.push(times[times.len() / 2].as_secs_f64() * 1e6);
            figures.worst = figures.worst.max(times[times.len() - 1]);
            figures.rate.push(near.block_on(load(*address, size)));
        }
    }
    let mut out = std::io::stdout().lock();
    let [direct, bare, ..] = &figures;
    for ((name, _), own) in paths.iter().zip(&figures) {
        let added = middle(&pairs(&own.median_us, &direct.median_us, |own, direct| own - direct));
        let share = |than: &Figures| middle(&pairs(&own.rate, &than.rate, |own, than| own / than));
        let slower = |than: &Figures| middle(&pairs(&own.median_us, &than.median_us, |own, than| own / than));
        writeln!(
            out,
            "{size:>6} B  {name:<14}  one: p50 {:>6.1} us, {added:>6.1} added, {:.2} x direct, {:.2} x bare, longest {:>5.1} ms   fifty: {:>7.0}/s, {:.2} x direct, {:.2} x bare",
            middle(&own.median_us),
            slower(direct),
            slower(bare),
            own.worst.as_secs_f64() * 1e3,
            middle(&own.rate),
            share(direct),
            share(bare),
        )
        .unwrap();
    }
}

fn pairs(one: &[f64], other: &[f64], join: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| join(*one, *other)).collect()
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Returns the sorted times of round trips over one connection.
async fn round_trips(address: SocketAddr, size: usize, count: usize) -> Vec<Duration> {
    let mut socket = connect(address).await;
    let (request, mut reply) = (request(size), vec![0; reply(size).len()]);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count + count / 10 {
        let start = Instant::now();
        socket.write_all(&request).await.unwrap();
        socket.read_exact(&mut reply).await.unwrap();
        times.push(start.elapsed());
    }
    let mut warm = times.split_off(count / 10);
    warm.sort_unstable();
    warm
}

/// Returns the round trips per second over many connections.
async fn load(address: SocketAddr, size: usize) -> f64 {
    let mut users = JoinSet::new();
    let end = Instant::now() + LOAD;
    for _ in 0..CONNECTIONS {
        users.spawn(async move {
            let mut socket = connect(address).await;
            let (request, mut reply) = (request(size), vec![0; reply(size).len()]);
            let mut count = 0_u32;
            while Instant::now() < end {
                socket.write_all(&request).await.unwrap();
                socket.read_exact(&mut reply).await.unwrap();
                count += 1;
            }
            count
        });
    }
    let counts = users.join_all().await;
    counts.into_iter().map(f64::from).sum::<f64>() / LOAD.as_secs_f64()
}

async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

fn request(size: usize) -> Vec<u8> {
    let head = "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\nauthorization: Bearer token\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: store_memory\r\n";
    [format!("{head}content-length: {size}\r\n\r\n").as_bytes(), &vec![b'x'; size]].concat()
}

fn reply(size: usize) -> Vec<u8> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nratelimit-limit: 100\r\nratelimit-remaining: 99\r\n";
    [format!("{head}content-length: {size}\r\n\r\n").as_bytes(), &vec![b'y'; size]].concat()
}

/// Accepts connections until the runtime ends.
async fn listen<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accept = async move {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            connections.spawn(serve(socket));
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(accept);
    tasks.detach_all();
    address
}

async fn serve(mut socket: TcpStream, size: usize) {
    let (mut request, reply) = (vec![0; request(size).len()], reply(size));
    while socket.read_exact(&mut request).await.is_ok() && socket.write_all(&reply).await.is_ok() {}
}

/// The minimum that any proxy must do: two loops that read and write.
async fn copy(mut client: TcpStream, upstream: SocketAddr) {
    let mut upstream = connect(upstream).await;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_upstream, mut to_upstream) = upstream.split();
    let one_way = async |reader: &mut tokio::net::tcp::ReadHalf<'_>, writer: &mut tokio::net::tcp::WriteHalf<'_>| {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            if writer.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    };
    tokio::join!(one_way(&mut from_client, &mut to_upstream), one_way(&mut from_upstream, &mut to_client));
}
