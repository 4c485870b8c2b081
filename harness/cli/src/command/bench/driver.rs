//! Keeps connections busy at a low cost: writes prepared requests on kept-alive connections and reads each reply by its length. The measuring client
//! judges and records every call, which would cost more than some of the calls here. Nothing of MCP is known in this file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Placeholder for the number of the call in a body. The number is written over it with the same length, so that the request is built only
/// once. It has letters, because guardrails could detect digits as the number of a card.
pub(super) const NUMBER: &str = "zzzzzzzz";
/// Time after the end of a batch in which its last replies must arrive.
pub(super) const LAST_REPLIES: Duration = Duration::from_secs(60);
/// Largest reply, in bytes. A larger one is an error.
const MAX_REPLY_BYTES: usize = 1 << 20;
/// Number of bytes of a reply that an error quotes.
const QUOTED_BYTES: usize = 300;

#[derive(Debug, thiserror::Error)]
pub(super) enum DriveError {
    #[error("the connection to `{address}` failed: {source}")]
    Connection { address: String, source: std::io::Error },
    #[error("the service closed the connection instead of replying")]
    Closed,
    #[error("the reply has no status, no `content-length` or more than {MAX_REPLY_BYTES} bytes: `{0}`")]
    Malformed(String),
    #[error("expected status {expected} and `{part}`, but the reply is {status}: `{body}`")]
    Unexpected { expected: u16, part: &'static str, status: u16, body: String },
    #[error("the last replies did not arrive within {} s", LAST_REPLIES.as_secs())]
    Late,
    #[error("a connection of the bench panicked: {0}")]
    Panicked(tokio::task::JoinError),
}

/// What every reply of a request must have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) status: u16,
    /// The end of the body.
    pub(super) end: &'static str,
    /// A part of the body; empty if the end is enough.
    pub(super) part: &'static str,
}

impl Expected {
    fn check(self, status: u16, body: &[u8]) -> Result<(), DriveError> {
        let has_part = || body.windows(self.part.len()).any(|window| window == self.part.as_bytes());
        if status == self.status && body.ends_with(self.end.as_bytes()) && (self.part.is_empty() || has_part()) {
            return Ok(());
        }
        let part = if self.part.is_empty() { self.end } else { self.part };
        Err(DriveError::Unexpected { expected: self.status, part, status, body: quoted(body) })
    }
}

/// A request as bytes.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    request: Vec<u8>,
    /// Offsets of [`NUMBER`] in the body.
    numbers: Vec<usize>,
    expected: Expected,
}

impl Prepared {
    /// `head` is the request line and the fields, without the empty line.
    pub(super) fn new(head: &str, body: &str, expected: Expected) -> Self {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!("{head}{length}\r\n");
        let numbers = body.match_indices(NUMBER).map(|(at, _)| head.len() + at).collect();
        Self { request: (head + body).into_bytes(), numbers, expected }
    }

    fn set_number(&mut self, number: u64) {
        let letters = letters(number);
        for at in &self.numbers {
            self.request[*at..*at + NUMBER.len()].copy_from_slice(&letters);
        }
    }
}

/// Returns a number as letters.
fn letters(number: u64) -> [u8; NUMBER.len()] {
    let mut rest = number;
    let mut letters = [b'a'; NUMBER.len()];
    for letter in letters.iter_mut().rev() {
        *letter += (rest % 25) as u8;
        rest /= 25;
    }
    letters
}

/// When a batch of calls ends: at the number of calls or after the time, whichever is first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    pub(super) calls: u64,
    pub(super) period: Duration,
}

/// The result of a batch, in which every reply was the expected one.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) elapsed: Duration,
    /// Time of each call.
    pub(super) times: Vec<Duration>,
}

impl Batch {
    pub(super) fn calls_per_s(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Open connections to one service, with a request each.
pub(super) struct Connections {
    open: Vec<Connection>,
    /// Number of the next call; no number is used twice.
    next: Arc<AtomicU64>,
}

impl Connections {
    /// `next` is shared by all connections to a stack.
    pub(super) async fn open(
        address: &str,
        requests: Vec<Prepared>,
        next: &Arc<AtomicU64>,
    ) -> Result<Self, DriveError> {
        let mut open = Vec::with_capacity(requests.len());
        for prepared in requests {
            open.push(Connection::open(address, prepared).await?);
        }
        Ok(Self { open, next: Arc::clone(next) })
    }

    /// Makes calls on all connections, each connection one after the other.
    pub(super) async fn run(&mut self, amount: Amount) -> Result<Batch, DriveError> {
        let start = Instant::now();
        let end = self.next.load(Ordering::Relaxed) + amount.calls;
        let until = start + amount.period;
        let mut tasks = JoinSet::new();
        for connection in self.open.drain(..) {
            let next = Arc::clone(&self.next);
            tasks.spawn(connection.run(next, end, until));
        }
        let mut times = Vec::new();
        let ends = async {
            while let Some(ended) = tasks.join_next().await {
                let (connection, own) = ended.map_err(DriveError::Panicked)??;
                self.open.push(connection);
                times.extend(own);
            }
            Ok(())
        };
        tokio::time::timeout(amount.period + LAST_REPLIES, ends).await.map_err(|_| DriveError::Late)??;
        Ok(Batch { elapsed: start.elapsed(), times })
    }
}

struct Connection {
    stream: TcpStream,
    address: String,
    prepared: Prepared,
    reply: Vec<u8>,
}

impl Connection {
    async fn open(address: &str, prepared: Prepared) -> Result<Self, DriveError> {
        let failed = |source| DriveError::Connection { address: address.to_owned(), source };
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self { stream, address: address.to_owned(), prepared, reply: Vec::with_capacity(16 << 10) })
    }

    async fn run(
        mut self,
        next: Arc<AtomicU64>,
        end: u64,
        until: Instant,
    ) -> Result<(Self, Vec<Duration>), DriveError> {
        let mut times = Vec::new();
        let mut start = Instant::now();
        while start < until {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                break;
            }
            self.prepared.set_number(number);
            self.call().await?;
            let now = Instant::now();
            times.push(now - start);
            start = now;
        }
        Ok((self, times))
    }

    async fn call(&mut self) -> Result<(), DriveError> {
        let failed = |address: &str, source| DriveError::Connection { address: address.to_owned(), source };
        self.reply.clear();
        self.stream.write_all(&self.prepared.request).await.map_err(|error| failed(&self.address, error))?;
        loop {
            let read = self.stream.read_buf(&mut self.reply).await.map_err(|error| failed(&self.address, error))?;
            if read == 0 {
                return Err(DriveError::Closed);
            }
            if let Some(head) = parse_head(&self.reply)? {
                let end = head.length + head.body;
                if end > MAX_REPLY_BYTES || self.reply.len() > end {
                    return Err(DriveError::Malformed(quoted(&self.reply)));
                }
                if self.reply.len() == end {
                    return self.prepared.expected.check(head.status, &self.reply[head.body..]);
                }
            } else if self.reply.len() > MAX_REPLY_BYTES {
                return Err(DriveError::Malformed(quoted(&self.reply)));
            }
        }
    }
}

/// What is needed of the head of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ReplyHead {
    status: u16,
    /// Offset of the body.
    body: usize,
    /// Length of the body.
    length: usize,
}

/// Returns `None` if the head is incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<ReplyHead>, DriveError> {
    const LENGTH: &[u8] = b"content-length:";
    let malformed = || DriveError::Malformed(quoted(bytes));
    let (mut at, mut status, mut length) = (0, None, None);
    loop {
        let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = bytes[at..at + end].trim_ascii_end();
        at += end + 1;
        if line.is_empty() {
            break;
        }
        if status.is_none() {
            status = Some(number_in(line.get(9..12).unwrap_or_default()).ok_or_else(malformed)?);
        } else if line.len() > LENGTH.len() && line[..LENGTH.len()].eq_ignore_ascii_case(LENGTH) {
            length = number_in(line[LENGTH.len()..].trim_ascii());
        }
    }
    let (Some(status), Some(length)) = (status, length) else { return Err(malformed()) };
    Ok(Some(ReplyHead { status: status as u16, body: at, length }))
}

fn number_in(bytes: &[u8]) -> Option<usize> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn quoted(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED_BYTES)]).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::{Amount, Connections, DriveError, Expected, NUMBER, Prepared, ReplyHead, letters, parse_head};
    use std::collections::HashSet;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    const OK: Expected = Expected { status: 200, end: "false}}", part: "" };

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        let reply = b"HTTP/1.1 403 Forbidden\r\nRateLimit-Limit: 9\r\nContent-Length: 12\r\n\r\nbody";
        let head = ReplyHead { status: 403, body: reply.len() - 4, length: 12 };
        assert_eq!(parse_head(reply).unwrap(), Some(head));
        for end in 0..reply.len() - 4 {
            assert_eq!(parse_head(&reply[..end]).unwrap(), None, "{end} bytes");
        }
    }

    #[test]
    fn a_head_without_status_or_length_is_malformed() {
        for reply in [
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "220 smtp ready\r\ncontent-length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        ] {
            assert!(matches!(parse_head(reply.as_bytes()), Err(DriveError::Malformed(_))), "{reply}");
        }
    }

    #[test]
    fn a_reply_with_another_status_end_or_part_is_an_error() {
        let found = Expected { part: "\"id\"", ..OK };
        let table = [
            (OK, 200, r#"{"result":{"isError":false}}"#, true),
            (OK, 200, r#"{"result":{"isError":true}}"#, false),
            (OK, 429, r#"{"result":{"isError":false}}"#, false),
            (OK, 200, "", false),
            (found, 200, r#"{"result":[],"isError":false}}"#, false),
            (found, 200, r#"{"result":[{"id":1}],"isError":false}}"#, true),
        ];
        for (expected, status, body, good) in table {
            assert_eq!(expected.check(status, body.as_bytes()).is_ok(), good, "{status} {body}");
        }
    }

    #[test]
    fn numbers_have_one_length_and_differ() {
        let all: HashSet<_> = (0..2_000).map(letters).collect();
        assert_eq!(all.len(), 2_000);
        assert!(all.iter().all(|letters| letters.iter().all(u8::is_ascii_lowercase) && letters != NUMBER.as_bytes()));
        let mut prepared = Prepared::new("POST / HTTP/1.1\r\n", &format!("a{NUMBER}b{NUMBER}"), OK);
        prepared.set_number(1);
        let text = String::from_utf8(prepared.request).unwrap();
        assert_eq!(text, "POST / HTTP/1.1\r\ncontent-length: 18\r\n\r\naaaaaaaabbaaaaaaab");
    }

    /// Answers every request of two connections with `replies`, one after the other, then with the last one.
    fn serve(replies: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut request = [0; 1_024];
                    for at in 0.. {
                        if stream.read(&mut request).unwrap_or(0) == 0 {
                            return;
                        }
                        let body = replies[at.min(replies.len() - 1)];
                        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                        // In two pieces, because a reply may arrive so.
                        let (first, second) = reply.split_at(reply.len() - 3);
                        stream.write_all(first.as_bytes()).unwrap();
                        stream.write_all(second.as_bytes()).unwrap();
                    }
                });
            }
        });
        address
    }

    async fn batch(address: &str, calls: u64) -> Result<usize, DriveError> {
        let prepared = Prepared::new("GET / HTTP/1.1\r\n", "", OK);
        let next = Arc::new(AtomicU64::new(0));
        let mut connections = Connections::open(address, vec![prepared; 2], &next).await?;
        let amount = Amount { calls, period: Duration::from_secs(60) };
        connections.run(amount).await?;
        // Again on the same connections.
        Ok(connections.run(amount).await?.times.len())
    }

    #[tokio::test]
    async fn a_batch_makes_its_number_of_calls_and_keeps_its_connections() {
        assert_eq!(batch(&serve(&["{{false}}"]), 50).await.unwrap(), 50);
    }

    #[tokio::test]
    async fn one_wrong_reply_ends_a_batch() {
        let error = batch(&serve(&["{{false}}", "{{false}}", "{{true}}"]), 50).await.unwrap_err();
        assert_eq!(error.to_string(), "expected status 200 and `false}}`, but the reply is 200: `{{true}}`");
    }
}
