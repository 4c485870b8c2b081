//! Both ends of a measured edge: an upstream that answers as many bytes as it is asked for, and a client that knows them.

use crate::proxy::{Options, Proxy, ProxyError};
use crate::rules::{Guard, Rule, Towards};
use crate::toxic::Toxic;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest line of a request that the upstream reads.
const MAX_LINE_BYTES: u64 = 1 << 10;

/// An edge and its upstream.
pub(super) struct Edge {
    pub(super) proxy: Proxy,
    _upstream: JoinSet<()>,
}

impl Edge {
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

    /// A rule on all that goes to clients.
    pub(super) fn add(&self, toxic: Toxic) -> io::Result<Guard> {
        self.proxy.add(Rule::new(toxic).towards(Towards::Client)).map_err(io::Error::other)
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    // Without descriptors there is nothing more to measure, and the measurement says so by its deadline.
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(async move {
            // A client that leaves is no concern of the upstream.
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

/// The whole reply with so many bytes of content.
fn reply(size: usize) -> Vec<u8> {
    let content = (0..size).map(|place| (place % 251) as u8);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n");
    head.into_bytes().into_iter().chain(content).collect()
}

/// A client with one connection; every wait for a reply may be given up and taken up again.
pub(super) struct Client {
    pub(super) socket: TcpStream,
    held: Vec<u8>,
}

impl Client {
    pub(super) async fn to(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, held: Vec::new() })
    }

    /// Asks for so many bytes; `about` makes requests differ.
    pub(super) async fn ask(&mut self, size: usize, about: usize) -> io::Result<()> {
        self.socket.write_all(format!("GET /{size}?{about} HTTP/1.1\r\n\r\n").as_bytes()).await
    }

    /// Reads the reply with so many bytes of content, which must be what the upstream said.
    pub(super) async fn told(&mut self, size: usize) -> io::Result<()> {
        let expected = reply(size);
        while self.held.len() < expected.len() {
            if self.socket.read_buf(&mut self.held).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if std::mem::take(&mut self.held) == expected {
            Ok(())
        } else {
            Err(io::Error::other("the reply is not what the upstream said"))
        }
    }

    /// A small request and its reply.
    pub(super) async fn ping(&mut self) -> io::Result<()> {
        self.ask(2, 0).await?;
        self.told(2).await
    }

    /// Everything until the end; whether the end was FIN.
    pub(super) async fn rest(&mut self) -> (usize, bool) {
        let read = self.socket.read_to_end(&mut self.held).await;
        (self.held.len(), read.is_ok())
    }
}
