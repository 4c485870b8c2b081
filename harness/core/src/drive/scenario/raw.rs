//! Connections on which a scenario sends bytes as it likes: part of a request, many at once, or without reading the
//! replies. Their requests are not in the history, because no check judges a client that breaks off.

use super::{Stage, StepFailed};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Deadline for opening a connection and for sending.
const DEADLINE: Duration = Duration::from_secs(5);
/// Maximum number of bytes that [`RawConnection::read_to_end`] returns.
const MAX_READ: u64 = 64 << 20;

/// A connection to a part. It is closed when it is dropped.
pub struct RawConnection {
    stream: TcpStream,
}

/// What came back on a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawReply {
    pub bytes: Vec<u8>,
    /// True if the part closed the connection; false if the deadline passed before that.
    pub closed: bool,
}

impl RawReply {
    pub fn contains(&self, text: &str) -> bool {
        memchr::memmem::find(&self.bytes, text.as_bytes()).is_some()
    }

    /// Returns the number of replies with this status.
    pub fn count(&self, status: u16) -> usize {
        let line = format!("HTTP/1.1 {status}");
        memchr::memmem::find_iter(&self.bytes, line.as_bytes()).count()
    }
}

impl Stage<'_> {
    /// Opens a connection to a part. `receive_buffer` bounds the bytes that the kernel takes for a client that does not
    /// read.
    ///
    /// # Errors
    /// The part has no address, or it does not accept the connection.
    pub async fn connect(&self, part: &str, receive_buffer: Option<u32>) -> Result<RawConnection, StepFailed> {
        let broken = |why: String| StepFailed(format!("no connection to `{part}`: {why}"));
        let address = self.endpoint(part).address().ok_or_else(|| broken("its host is a name".to_owned()))?;
        let opening = tokio::time::timeout(DEADLINE, open(address, receive_buffer)).await;
        let opened = opening.map_err(|_| broken("it did not accept one in time".to_owned()))?;
        opened.map(|stream| RawConnection { stream }).map_err(|error| broken(error.to_string()))
    }
}

async fn open(address: SocketAddr, receive_buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(bytes) = receive_buffer {
        // Before the connection is opened, because the window is negotiated then.
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.connect(address).await
}

impl RawConnection {
    /// Sends bytes. Returns false if the part does not take them in time or has closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        matches!(tokio::time::timeout(DEADLINE, self.stream.write_all(bytes)).await, Ok(Ok(())))
    }

    /// Reads until the part closes the connection, at most until the deadline.
    pub async fn read_to_end(&mut self, within: Duration) -> RawReply {
        let mut reply = RawReply::default();
        let mut stream = (&mut self.stream).take(MAX_READ);
        reply.closed = tokio::time::timeout(within, stream.read_to_end(&mut reply.bytes)).await.is_ok();
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::RawReply;

    #[test]
    fn replies_are_counted_by_their_status() {
        let bytes = b"HTTP/1.1 401 Unauthorized\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHTTP/1.1 401 Unauthorized\r\n".to_vec();
        let reply = RawReply { bytes, closed: true };
        assert_eq!((reply.count(401), reply.count(200), reply.count(503)), (2, 1, 0));
    }
}
