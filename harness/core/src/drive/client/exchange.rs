//! Sends bytes as they are on a connection of their own and returns the whole reply. The probes of a hardening run use it, because a client that
//! builds requests cannot send malformed ones.

use super::stream::Stream;
use super::{Endpoint, framing, local, receive};
use crate::observe::clock::monotonic_us;
use harness_history::{ErrorKind, Outcome};
use std::time::Duration;

/// Maximum size of a reply, in bytes.
const MAX_REPLY_BYTES: usize = 16 << 20;

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

async fn talk(endpoint: &Endpoint, bytes: &[u8], raw: &mut Vec<u8>) -> Result<framing::Received, Outcome> {
    let connect = |error: std::io::Error| Outcome::Failed(local::kind_of(&error, ErrorKind::Connect));
    let mut stream = Stream::open(endpoint).await.map_err(connect)?;
    // A server may answer and close before it has read everything; then the reply counts and not the failed write.
    let _ = stream.write_all(bytes).await;
    receive(&mut stream, &mut framing::Frame::default(), raw, MAX_REPLY_BYTES).await
}
