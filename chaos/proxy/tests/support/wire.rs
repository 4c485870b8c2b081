//! Both ends of an edge for tests: upstreams that echo or speak HTTP, and a client that reads one reply at a time.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Deadline of every step of a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that runs until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Sends back everything that it receives.
pub(crate) async fn echo() -> Upstream {
    start(|mut socket| async move {
        let (mut reader, mut writer) = socket.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    })
    .await
}

/// Replies to each request with its target and content, in chunks if the target begins with `/chunked`.
pub(crate) async fn http() -> Upstream {
    start(|mut socket| async move {
        let mut buffered = Vec::new();
        while let Some((target, content)) = request(&mut socket, &mut buffered).await {
            let text = format!("{target} got {}: {}", content.len(), String::from_utf8_lossy(&content));
            let reply = if target.starts_with("/chunked") {
                let (first, second) = text.split_at(text.len() / 2);
                format!(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                    first.len(),
                    second.len()
                )
            } else {
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nset-cookie: s3cret\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                )
            };
            if socket.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

pub(crate) async fn start<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            connections.spawn(serve(socket));
        }
    });
    Upstream { address, _tasks: tasks }
}

/// Reads the next request: its target and content. `None` at the end.
async fn request(socket: &mut TcpStream, buffered: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let (head, content) = message(socket, buffered).await?;
    Some((head.split(' ').nth(1).unwrap_or_default().to_owned(), content))
}

/// Reads the next message: its head and content.
pub(crate) async fn message(socket: &mut TcpStream, buffered: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let head_end = loop {
        if let Some(at) = buffered.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(socket, buffered).await?;
    };
    let head = String::from_utf8_lossy(&buffered[..head_end]).into_owned();
    buffered.drain(..head_end);
    let field = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|field| field.1)
    };
    if field("transfer-encoding") == Some("chunked") {
        let mut content = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = buffered.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                more(socket, buffered).await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&buffered[..line_end]).unwrap(), 16).unwrap();
            while buffered.len() < line_end + 2 + size + 2 {
                more(socket, buffered).await?;
            }
            content.extend_from_slice(&buffered[line_end + 2..line_end + 2 + size]);
            buffered.drain(..line_end + 2 + size + 2);
            if size == 0 {
                return Some((head, content));
            }
        }
    }
    let length: usize = field("content-length").map_or(0, |value| value.parse().unwrap());
    while buffered.len() < length {
        more(socket, buffered).await?;
    }
    Some((head, buffered.drain(..length).collect()))
}

async fn more(socket: &mut TcpStream, buffered: &mut Vec<u8>) -> Option<()> {
    let mut buffer = vec![0; 16 << 10];
    let read = socket.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
    buffered.extend_from_slice(&buffer[..read]);
    Some(())
}

/// A client with one connection.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    buffered: Vec<u8>,
}

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::open(address).await.unwrap()
    }

    /// Connects, and fails if the connection is reset at once.
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffered: Vec::new() })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        tokio::time::timeout(PATIENCE, self.socket.write_all(bytes)).await.unwrap().unwrap();
    }

    pub(crate) async fn post(&mut self, target: &str, content: &str) -> Option<(String, String)> {
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer s3cret\r\nmcp-name: store_memory\r\ncontent-length: {}\r\n\r\n{content}",
            content.len()
        );
        self.send(request.as_bytes()).await;
        self.reply().await
    }

    pub(crate) async fn reply(&mut self) -> Option<(String, String)> {
        let reply = message(&mut self.socket, &mut self.buffered);
        let (head, content) = tokio::time::timeout(PATIENCE, reply).await.unwrap()?;
        Some((head, String::from_utf8(content).unwrap()))
    }

    /// Reads to the end. Returns the bytes, and true if the connection ended in order.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut rest = std::mem::take(&mut self.buffered);
        let read = tokio::time::timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await.unwrap();
        (rest, read.is_ok())
    }
}

/// Returns `count` pseudo-random bytes.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let word = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(|| word(&mut state)).flatten().take(count).collect()
}
