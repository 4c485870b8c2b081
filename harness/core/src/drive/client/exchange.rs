//! Sends bytes as they are on a connection of their own and returns the whole reply. The probes of a hardening run use it, because a client that
//! builds requests cannot send malformed ones.

use super::stream::Stream;
use super::{Endpoint, framing, local, receive};
use crate::observe::clock::monotonic_us;
use harness_history::{ErrorKind, Outcome};
use std::time::Duration;

/// Maximum size of a reply, in bytes.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Time without a byte after which no further reply is expected.
const SILENCE: Duration = Duration::from_millis(150);

/// The reply to some bytes. Times are those of the monotonic clock, in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct RawExchange {
    pub(crate) invoke_us: u64,
    pub(crate) complete_us: u64,
    /// The outcome by the HTTP status alone, or why there is no complete reply.
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    /// Header fields, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Every byte that came back.
    pub(crate) raw: Vec<u8>,
}

/// Sends `bytes` and reads one reply, at most until the deadline.
pub(crate) async fn exchange(endpoint: &Endpoint, bytes: &[u8], deadline: Duration) -> RawExchange {
    let invoke_us = monotonic_us();
    let mut raw = Vec::new();
    let talking = tokio::time::timeout(deadline, talk(endpoint, bytes, &mut raw)).await;
    let complete_us = monotonic_us();
    let received = talking.unwrap_or(Err(Outcome::Unknown(ErrorKind::Timeout)));
    let (outcome, status, headers, body) = match received {
        Ok(received) => {
            let outcome = match received.status {
                200..300 => Outcome::Ok,
                429 => Outcome::Failed(ErrorKind::Quota),
                status => Outcome::Failed(ErrorKind::Http(status)),
            };
            let body = raw[received.body.clone()].to_vec();
            (outcome, Some(received.status), framing::fields(&raw[received.head]), body)
        }
        Err(outcome) => (outcome, None, Vec::new(), Vec::new()),
    };
    RawExchange { invoke_us, complete_us, outcome, status, headers, body, raw }
}

/// Sends `bytes`, which may be several requests, and reads what comes back until the server closes the connection, or until `is_enough` is true of it and
/// nothing comes for a while, at most until the deadline. Returns true beside it if the server closed the connection.
pub(crate) async fn converse(
    endpoint: &Endpoint,
    bytes: &[u8],
    is_enough: impl Fn(&[u8]) -> bool,
    deadline: Duration,
) -> (RawExchange, bool) {
    let invoke_us = monotonic_us();
    let (mut raw, mut refused) = (Vec::new(), None);
    let talking = async {
        let mut stream = match Stream::open(endpoint).await {
            Ok(stream) => stream,
            Err(error) => {
                refused = Some(Outcome::Failed(local::kind_of(&error, ErrorKind::Connect)));
                return false;
            }
        };
        let _ = stream.write_all(bytes).await;
        while raw.len() <= MAX_REPLY_BYTES {
            let pause = if is_enough(&raw) { SILENCE } else { deadline };
            match tokio::time::timeout(pause, stream.read_buf(&mut raw)).await {
                Ok(Ok(bytes)) if bytes > 0 => {}
                // A reset is the end of a connection too.
                Ok(Ok(_) | Err(_)) => return true,
                Err(_) => return false,
            }
        }
        false
    };
    let closed = tokio::time::timeout(deadline, talking).await.unwrap_or(false);
    let complete_us = monotonic_us();
    let status =
        raw.get(9..12).filter(|_| raw.starts_with(b"HTTP/1.1 ")).and_then(|digits| std::str::from_utf8(digits).ok());
    let status = status.and_then(|digits| digits.parse().ok());
    let outcome = match (refused, status, closed) {
        (Some(refused), _, _) => refused,
        (None, Some(200..300), _) => Outcome::Ok,
        (None, Some(status), _) => Outcome::Failed(ErrorKind::Http(status)),
        (None, None, true) => Outcome::Unknown(ErrorKind::Reset),
        (None, None, false) => Outcome::Unknown(ErrorKind::Timeout),
    };
    (RawExchange { invoke_us, complete_us, outcome, status, headers: Vec::new(), body: Vec::new(), raw }, closed)
}

async fn talk(endpoint: &Endpoint, bytes: &[u8], raw: &mut Vec<u8>) -> Result<framing::Received, Outcome> {
    let connect = |error: std::io::Error| Outcome::Failed(local::kind_of(&error, ErrorKind::Connect));
    let mut stream = Stream::open(endpoint).await.map_err(connect)?;
    // A server may answer and close before it has read everything; then the reply counts and not the failed write.
    let _ = stream.write_all(bytes).await;
    receive(&mut stream, &mut framing::Frame::default(), raw, MAX_REPLY_BYTES).await
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Outcome, converse};
    use crate::plan::trust::Trust;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    /// Returns what came from a server that sends some replies, whether it closed the connection, and the outcome.
    async fn talk(replies: usize, closes: bool, deadline: Duration) -> (Vec<u8>, bool, Outcome) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let endpoint = Endpoint::new(&url, || Trust::load(None)).unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 2]).await.unwrap();
            stream.write_all(&REPLY.repeat(replies)).await.unwrap();
            (!closes).then_some(stream)
        };
        let client = converse(&endpoint, b"ab", |raw| raw.len() >= REPLY.len(), deadline);
        let (_open, (exchanged, closed)) = tokio::join!(server, client);
        (exchanged.raw, closed, exchanged.outcome)
    }

    #[tokio::test]
    async fn a_conversation_ends_with_the_connection_or_when_nothing_follows_what_is_enough() {
        let long = Duration::from_secs(60);
        assert_eq!(talk(2, true, long).await, (REPLY.repeat(2), true, Outcome::Ok));
        assert_eq!(talk(1, false, long).await, (REPLY.to_vec(), false, Outcome::Ok));
        let (raw, closed, outcome) = talk(0, true, long).await;
        assert!(raw.is_empty() && closed && matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        let (raw, closed, outcome) = talk(0, false, Duration::from_millis(50)).await;
        assert!(raw.is_empty() && !closed && matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    }
}
