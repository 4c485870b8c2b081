//! A small HTTP server on loopback, for what a stack reaches outside of itself: an identity provider, a collector of traces.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Deadline for one request.
const REQUEST_DEADLINE: Duration = Duration::from_secs(2);
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Largest body of a request, in bytes. A batch of 512 spans takes about 150 KB.
const MAX_BODY_BYTES: usize = 4 << 20;

/// A server that answers every request with what `answer` returns for its body. It ends when this is dropped.
pub(super) struct Loopback {
    address: SocketAddr,
    serving: JoinSet<()>,
}

impl Loopback {
    /// Listens at the address; port 0 is a free one.
    ///
    /// # Errors
    /// The port cannot be used.
    pub(super) async fn listen(
        address: SocketAddr,
        content_type: &'static str,
        answer: impl Fn(&[u8]) -> String + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that breaks off asks again.
                let _ = tokio::time::timeout(REQUEST_DEADLINE, serve(stream, content_type, &answer)).await;
            }
        });
        Ok(Self { address, serving })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port, so that connections are refused.
    pub(super) async fn stop(&mut self) {
        self.serving.shutdown().await;
    }
}

/// Answers one request, whatever its path.
async fn serve(
    mut stream: TcpStream,
    content_type: &str,
    answer: &(impl Fn(&[u8]) -> String + Sync),
) -> io::Result<()> {
    let Some(body) = read_body(&mut stream).await? else { return Ok(()) };
    let document = answer(&body);
    let length = document.len();
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}"
    );
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads a request and returns its body; `None` if it ends early or is too large.
async fn read_body(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if bytes.len() > MAX_HEAD_BYTES || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let length = content_length(&bytes[..head]);
    if length > MAX_BODY_BYTES {
        return Ok(None);
    }
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(bytes[head..head + length].to_vec()))
}

fn content_length(head: &[u8]) -> usize {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    let _ = request.parse(head);
    let field = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    field.and_then(|field| str::from_utf8(field.value).ok()?.trim().parse().ok()).unwrap_or(0)
}
