//! Both ends of a measured edge: an upstream that replies with the requested number of bytes, and a client that verifies them.

use crate::proxy::{Options, Proxy, ProxyError};
use crate::rules::{Guard, Rule, RuleDirection};
use crate::toxic::Toxic;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest request line that the upstream reads.
const MAX_LINE_BYTES: u64 = 1 << 10;

pub(super) struct MeasuredEdge {
    pub(super) proxy: Proxy,
    _upstream: JoinSet<()>,
}

impl MeasuredEdge {
    pub(super) async fn open(seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut upstream = JoinSet::new();
        upstream.spawn(accept(listener));
        let options = Options { seed, tap: false, ..Options::default() };
        let proxy = Proxy::start_with("measured", address, options).await.map_err(|error| {
            let ProxyError::Listen { source, .. } = error;
            source
        })?;
        Ok(Self { proxy, _upstream: upstream })
    }

    pub(super) async fn client(&self) -> io::Result<Client> {
        Client::to(self.proxy.address()).await
    }

    /// Adds a rule on everything that is sent to clients.
    pub(super) fn add(&self, toxic: Toxic) -> io::Result<Guard> {
        self.proxy.add(Rule::new(toxic).towards(RuleDirection::Client)).map_err(io::Error::other)
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    // After a failed accept, for example without free descriptors, the measurement fails at its deadline.
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(async move {
            // An error means that the client has disconnected, which some measurements do on purpose.
            let _ = serve(socket).await;
        });
    }
}

async fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (reader, mut writer) = socket.split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        if (&mut reader).take(MAX_LINE_BYTES).read_line(&mut line).await? == 0 {
            return writer.shutdown().await;
        }
        if let Some(target) = line.strip_prefix("GET /") {
            let digits: String = target.chars().take_while(char::is_ascii_digit).collect();
            writer.write_all(&reply(digits.parse().unwrap_or(0))).await?;
        }
    }
}

/// Returns a whole reply with `size` bytes of content.
fn reply(size: usize) -> Vec<u8> {
    let content = (0..size).map(|place| (place % 251) as u8);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
    head.into_bytes().into_iter().chain(content).collect()
}

/// A client with one connection. Reading a reply is cancel-safe.
pub(super) struct Client {
    pub(super) socket: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(super) async fn to(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::new() })
    }

    /// Requests `size` bytes. `number` makes requests differ, so that each is drawn separately.
    pub(super) async fn request(&mut self, size: usize, number: usize) -> io::Result<()> {
        self.socket.write_all(format!("GET /{size}?{number} HTTP/1.1\r\n\r\n").as_bytes()).await
    }

    /// Reads the reply with `size` bytes of content, and fails unless it equals the upstream's.
    pub(super) async fn read_reply(&mut self, size: usize) -> io::Result<()> {
        let expected = reply(size);
        while self.buffer.len() < expected.len() {
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if std::mem::take(&mut self.buffer) == expected {
            Ok(())
        } else {
            Err(io::Error::other("the reply differs from the upstream's"))
        }
    }

    /// Sends a small request and reads its reply.
    pub(super) async fn ping(&mut self) -> io::Result<()> {
        self.request(2, 0).await?;
        self.read_reply(2).await
    }

    /// Reads to the end. Returns the number of bytes, and true if the connection ended with FIN.
    pub(super) async fn read_to_end(&mut self) -> (usize, bool) {
        let read = self.socket.read_to_end(&mut self.buffer).await;
        (self.buffer.len(), read.is_ok())
    }
}
