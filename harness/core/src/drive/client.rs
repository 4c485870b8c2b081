//! The measuring client: hand-written MCP over HTTP/1.1, with one kept-alive connection per user and one deadline per
//! call. It never retries, follows a redirect or pools connections, because a run measures resets, stalls and refusals
//! (decision 0003).

mod endpoint;
mod exchange;
mod framing;
mod local;
mod open;
mod page;
mod reply;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointError};
pub(crate) use exchange::exchange;
pub use open::{Era, Heard, Message};
pub use page::{check_reply, headers_of_page, hidden_headers};

use crate::observe::clock::monotonic_us;
use framing::{Frame, Received};
use harness_history::{ErrorKind, Outcome};
use mcp_contracts::headers;
use mcp_contracts::service::PROTOCOL_MODERN;
use serde_json::Value;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Minimum free space for one read, in bytes.
const READ_CHUNK: usize = 4 << 10;
/// Maximum capacity that a reply buffer keeps between calls, in bytes. Each user has a buffer, so a larger one is
/// shrunk.
const KEPT_BUFFER: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// Time from the start of a call to its complete reply; it includes connecting.
    pub deadline: Duration,
    /// Maximum size of a reply, including head and framing, in bytes. A larger reply counts as malformed.
    pub max_reply_bytes: usize,
    /// Value of [`monotonic_us`] at time 0 of the run, from which the times of a [`Call`] count.
    pub epoch_us: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        // The size is limited so that a reply without an end cannot fill the memory of the driver.
        Self { deadline: Duration::from_secs(10), max_reply_bytes: 16 << 20, epoch_us: 0 }
    }
}

/// The result of one call. Times are microseconds since [`ClientOptions::epoch_us`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    pub invoke_us: u64,
    /// Time at which the reply was complete, or at which the call failed.
    pub complete_us: u64,
    pub outcome: Outcome,
    /// `structuredContent` of the tool result as JSON text, even if the result has `isError`.
    pub structured: Option<&'a str>,
    /// Every byte that came back, the head included.
    pub raw: &'a [u8],
}

/// One user's connection to one service.
#[derive(Debug)]
pub struct Client {
    endpoint: Arc<Endpoint>,
    options: ClientOptions,
    /// `_meta` of every request (MCP 2026-07-28, basic). It is serialized only once.
    meta: String,
    head: Vec<u8>,
    token: Option<String>,
    // The buffers are reused, because the driver may cost little more than a bare loop (decision 0003).
    body: Vec<u8>,
    request: Vec<u8>,
    reply: Vec<u8>,
    stream: Option<TcpStream>,
    last_id: u64,
}

impl Client {
    /// Creates a client. The first call opens the connection. No token is sent before [`Client::set_token`] is called.
    pub fn new(endpoint: Arc<Endpoint>, options: ClientOptions) -> Self {
        let head = render_head(&endpoint, None);
        Self {
            endpoint,
            options,
            meta: request_meta().to_string(),
            head,
            token: None,
            body: Vec::with_capacity(1 << 10),
            request: Vec::with_capacity(2 << 10),
            reply: Vec::with_capacity(READ_CHUNK),
            stream: None,
            last_id: 0,
        }
    }

    pub fn set_token(&mut self, token: &str) {
        self.head = render_head(&self.endpoint, Some(token));
        self.token = Some(token.to_owned());
    }

    /// See [`Client::call_json`].
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Call<'_> {
        self.call_json(tool, &arguments.to_string()).await
    }

    /// Calls a tool once and waits for the complete reply, at most for the deadline. `arguments` is a JSON object.
    pub async fn call_json(&mut self, tool: &str, arguments: &str) -> Call<'_> {
        let invoke_us = self.now_us();
        self.render(tool, arguments);
        let (complete_us, received) = self.converse().await;
        match received {
            Ok(received) => {
                if !received.reusable {
                    self.stream = None;
                }
                let (outcome, structured, raw) = reply::judge(&mut self.reply, &received, self.last_id);
                Call { invoke_us, complete_us, outcome, structured, raw }
            }
            Err(outcome) => {
                self.stream = None;
                Call { invoke_us, complete_us, outcome, structured: None, raw: &self.reply }
            }
        }
    }

    /// Sends the rendered request and waits for the complete reply, at most for the deadline. Returns the time at which the call ended, and
    /// either the reply or, without a complete reply, the outcome.
    async fn converse(&mut self) -> (u64, Result<Received, Outcome>) {
        let mut sent = false;
        let ended = timeout(self.options.deadline, self.exchange(&mut sent)).await;
        let received = match ended {
            Ok(received) => received,
            // Once a byte is sent, the service may have acted; before that, the call certainly had no effect.
            Err(_) if sent => Err(Outcome::Unknown(ErrorKind::Timeout)),
            Err(_) => Err(Outcome::Failed(ErrorKind::Connect)),
        };
        // Read before the reply is parsed: the time for parsing is a cost of the harness, not a latency of the service.
        (self.now_us(), received)
    }

    fn now_us(&self) -> u64 {
        monotonic_us().saturating_sub(self.options.epoch_us)
    }

    /// Writes the request by hand: the arguments are JSON already, and a serializer would have to parse them to embed them.
    fn render(&mut self, tool: &str, arguments: &str) {
        self.last_id += 1;
        self.body.clear();
        let (id, meta) = (self.last_id, &self.meta);
        write!(self.body, r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"#)
            .and_then(|()| Ok(serde_json::to_writer(&mut self.body, tool)?))
            .and_then(|()| write!(self.body, r#","arguments":{arguments},"_meta":{meta}}}}}"#))
            .expect("a vector takes every write");
        self.request.clear();
        self.request.extend_from_slice(&self.head);
        // Not encoded, unlike a name in `open`: the name of a tool has only letters, digits and `_.-`.
        write!(self.request, "{}: {tool}\r\ncontent-length: {}\r\n\r\n", headers::MCP_NAME, self.body.len())
            .expect("a vector takes every write");
        self.request.extend_from_slice(&self.body);
    }

    /// Sends the rendered request and reads the whole reply. Sets `sent` as soon as a byte may have reached the server.
    async fn exchange(&mut self, sent: &mut bool) -> Result<Received, Outcome> {
        self.reply.clear();
        self.reply.shrink_to(KEPT_BUFFER);
        // The stream leaves `self` for the exchange. If the deadline drops this future, the stream is closed with it,
        // so that the next call cannot take the late reply for its own.
        let mut stream = match self.stream.take().filter(is_alive) {
            Some(stream) => stream,
            None => {
                self.connect().await.map_err(|error| Outcome::Failed(local::kind_of(&error, ErrorKind::Connect)))?
            }
        };
        let written = stream.write_all(&self.request);
        // Set before the write is polled, because a write that the deadline cuts may have sent a part of the request.
        *sent = true;
        // A server may answer and close before it has read everything (413, 401). The reply counts, not the failed
        // write, unless this machine could not write.
        if let Err(error) = written.await
            && local::is_local(&error)
        {
            return Err(Outcome::Unknown(local::kind_of(&error, ErrorKind::Reset)));
        }
        let received = receive(&mut stream, &mut self.reply, self.options.max_reply_bytes).await?;
        self.stream = Some(stream);
        Ok(received)
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = match self.endpoint.address() {
            Some(address) => TcpStream::connect(address).await?,
            None => TcpStream::connect(&*local::resolve(self.endpoint.host(), self.endpoint.port()).await?).await?,
        };
        // Without it, Nagle's algorithm waits for a delayed ACK: 44 ms per request, measured with bodies of 16 KiB.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Returns true if a kept connection can carry another request: the server has not closed it, and no data is unread.
/// Without this check, a connection that the server closed while it was idle would count as a lost call.
fn is_alive(stream: &TcpStream) -> bool {
    // The byte that a successful read takes is not missed, because a connection with unread data is dropped. The server
    // may still close between this check and the send. That call is a reset: a retry would hide it.
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

async fn receive(stream: &mut TcpStream, reply: &mut Vec<u8>, max: usize) -> Result<Received, Outcome> {
    let mut frame = Frame::default();
    loop {
        if reply.capacity() - reply.len() < READ_CHUNK / 2 {
            // At least doubled, so that a large reply is not moved for every read.
            reply.reserve(READ_CHUNK.max(reply.len()));
        }
        // Any other read error counts as the end of the connection: an incomplete reply has an unknown outcome in either case.
        let read = match stream.read_buf(reply).await {
            Err(error) if local::is_local(&error) => {
                return Err(Outcome::Unknown(local::kind_of(&error, ErrorKind::Reset)));
            }
            read => read.unwrap_or(0),
        };
        if reply.len() > max {
            return Err(malformed(&format!("a reply of more than {max} bytes")));
        }
        let progress = if read == 0 { frame.end(reply) } else { frame.advance(reply) };
        match progress.map_err(malformed)? {
            Some(received) => return Ok(received),
            None if read == 0 => return Err(Outcome::Unknown(ErrorKind::Reset)),
            None => {}
        }
    }
}

/// Returns the outcome of a reply that the protocol does not allow. The request was sent, so its effect is unknown.
fn malformed(why: &str) -> Outcome {
    Outcome::Unknown(ErrorKind::Malformed(Arc::from(why)))
}

pub(crate) fn request_meta() -> Value {
    // MCP 2026-07-28 requires the version and the capabilities, even empty ones. A request without them gets 400.
    serde_json::json!({
        headers::META_PROTOCOL_VERSION: PROTOCOL_MODERN,
        headers::META_CLIENT_CAPABILITIES: {},
        headers::META_CLIENT_INFO: { "name": "harness", "version": env!("CARGO_PKG_VERSION") },
    })
}

fn render_head(endpoint: &Endpoint, token: Option<&str>) -> Vec<u8> {
    // Both media types are named, because servers that use the SDK answer 406 to a request that accepts JSON alone.
    let mut head = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nuser-agent: harness/{}\r\n{}: {}\r\n{}: tools/call\r\n",
        endpoint.path(),
        endpoint.authority(),
        env!("CARGO_PKG_VERSION"),
        headers::MCP_PROTOCOL_VERSION,
        PROTOCOL_MODERN,
        headers::MCP_METHOD,
    );
    if let Some(token) = token {
        head.push_str("authorization: Bearer ");
        head.push_str(token);
        head.push_str("\r\n");
    }
    head.into_bytes()
}
