//! The measuring client: hand-written MCP over HTTP/1.1, with one kept-alive connection per user and one deadline per
//! call. It never retries, follows a redirect or pools connections, because a run measures resets, stalls and refusals
//! (decision 0003).

mod bearer;
mod connection_check;
mod endpoint;
mod events;
mod exchange;
mod framing;
mod handshake;
mod local;
mod open;
mod page;
mod reply;
mod session;
mod stream;
#[cfg(test)]
mod tests;

pub use bearer::{Bearer, BearerError};
pub use connection_check::{ConnectionCheck, ConnectionError, ConnectionFailure, check_connection};
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use exchange::{RawExchange, converse, exchange};
pub use handshake::Handshake;
pub use open::{Era, Message, MessageReply};
pub use page::{check_reply, headers_of_page, hidden_headers};
pub use session::Protocol;

use crate::observe::clock::monotonic_us;
use framing::{Frame, Received};
use harness_history::{ErrorKind, Outcome};
use mcp_contracts::headers;
use mcp_contracts::service::PROTOCOL_MODERN;
use reply::JudgedReply;
use serde_json::Value;
use session::Session;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::time::timeout;

/// Minimum free space for one read, in bytes.
const READ_CHUNK: usize = 4 << 10;
/// Maximum capacity that a reply buffer keeps between calls, in bytes. Each user has a buffer, so a larger one is
/// shrunk.
const KEPT_BUFFER: usize = 64 << 10;
/// Time for a server to end an event stream after the response. Most servers end it with the next packet; a connection whose stream stays open is
/// dropped, because its bytes would be read as the next reply.
const STREAM_END: Duration = Duration::from_millis(200);
/// Number of streams that may stay open before the client no longer waits for their ends.
const PATIENCE: u8 = 3;

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
    /// `content` of the tool result as JSON text, even if the result has `isError`.
    pub content: Option<&'a str>,
    /// Every byte that came back, the head included.
    pub raw: &'a [u8],
}

/// One user's connection to one service.
pub struct Client {
    endpoint: Arc<Endpoint>,
    options: ClientOptions,
    /// `_meta` of every request (MCP 2026-07-28, basic). It is serialized only once.
    meta: String,
    head: Vec<u8>,
    token: Option<Arc<str>>,
    /// Where the token comes from and its version, if it can change during a run.
    bearer: Option<(Arc<Bearer>, u64)>,
    session: Session,
    /// The last handshake, until it is taken.
    made: Option<Handshake>,
    // The buffers are reused, because the driver may cost little more than a bare loop (decision 0003).
    body: Vec<u8>,
    request: Vec<u8>,
    reply: Vec<u8>,
    frame: Frame,
    stream: Option<Stream>,
    /// Number of event streams for whose ends the client still waits.
    patience: u8,
    last_id: u64,
}

impl Client {
    /// Creates a client that speaks 2026-07-28. The first call opens the connection. No token is sent before [`Client::set_token`] or
    /// [`Client::set_bearer`] is called.
    pub fn new(endpoint: Arc<Endpoint>, options: ClientOptions) -> Self {
        Self::with_session(endpoint, options, Session::modern())
    }

    /// Creates a client that finds out by a handshake before its first call which protocol the server speaks, and opens a session if the server has
    /// sessions. The time of the handshake is not in that of the call; see [`Client::take_handshake`].
    pub fn negotiating(endpoint: Arc<Endpoint>, options: ClientOptions) -> Self {
        Self::with_session(endpoint, options, Session::unknown())
    }

    fn with_session(endpoint: Arc<Endpoint>, options: ClientOptions, session: Session) -> Self {
        let head = render_head(&endpoint, None, &session);
        Self {
            endpoint,
            options,
            meta: request_meta().to_string(),
            head,
            token: None,
            bearer: None,
            session,
            made: None,
            body: Vec::with_capacity(1 << 10),
            request: Vec::with_capacity(2 << 10),
            reply: Vec::with_capacity(READ_CHUNK),
            frame: Frame::default(),
            stream: None,
            patience: PATIENCE,
            last_id: 0,
        }
    }

    pub fn set_token(&mut self, token: &str) {
        self.bearer = None;
        self.token = Some(Arc::from(token));
        self.render_head();
    }

    /// Sends the token of `bearer` from now on, and each later token that its file gets.
    pub fn set_bearer(&mut self, bearer: Arc<Bearer>) {
        let (token, version) = bearer.current();
        self.bearer = Some((bearer, version));
        self.token = Some(token);
        self.render_head();
    }

    /// Takes a token that has changed.
    fn renew_token(&mut self) {
        if let Some((bearer, version)) = &mut self.bearer {
            let (token, current) = bearer.current();
            if current != *version {
                *version = current;
                self.token = Some(token);
                self.render_head();
            }
        }
    }

    fn render_head(&mut self) {
        self.head = render_head(&self.endpoint, self.token.as_deref(), &self.session);
    }

    /// See [`Client::call_json`].
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Call<'_> {
        self.call_json(tool, &arguments.to_string()).await
    }

    /// Calls a tool once and waits for the complete reply, at most for the deadline. `arguments` is a JSON object.
    ///
    /// If the client has to make a handshake first and it fails, the call is not sent, and it has failed for the same reason.
    pub async fn call_json(&mut self, tool: &str, arguments: &str) -> Call<'_> {
        if let Err(kind) = self.prepare().await {
            let now_us = self.now_us();
            let outcome = reclassify_expired_token(self.bearer.as_ref(), Outcome::Failed(kind));
            return Call { invoke_us: now_us, complete_us: now_us, outcome, structured: None, content: None, raw: &[] };
        }
        let invoke_us = self.now_us();
        self.render(tool, arguments);
        let (complete_us, received) = self.converse().await;
        match received {
            Ok(received) => {
                let JudgedReply { outcome, structured, content, raw } =
                    reply::judge(&mut self.reply, &received, self.last_id);
                if let (200..300, Some((bearer, _))) = (received.status, &self.bearer) {
                    bearer.accepted();
                }
                let outcome = reclassify_expired_token(self.bearer.as_ref(), outcome);
                Call { invoke_us, complete_us, outcome, structured, content, raw }
            }
            Err(outcome) => Call { invoke_us, complete_us, outcome, structured: None, content: None, raw: &self.reply },
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
        let complete_us = self.now_us();
        match &received {
            Ok(received) => {
                let is_usable = received.reusable || (received.open && self.stream_ends().await);
                if !is_usable {
                    self.stream = None;
                }
                self.handle_status(received.status);
            }
            Err(_) => self.stream = None,
        }
        (complete_us, received)
    }

    /// Waits a moment for the end of an event stream whose response has arrived. Returns true if the connection can carry another request.
    async fn stream_ends(&mut self) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|_| self.patience > 0 && self.frame.keeps()) else {
            return false;
        };
        let (frame, reply, max) = (&mut self.frame, &mut self.reply, self.options.max_reply_bytes);
        let rest = async {
            loop {
                // What arrived with the response may have the end already.
                match frame.advance(reply) {
                    Ok(Some(received)) => return received.reusable,
                    Ok(None) => {}
                    Err(_) => return false,
                }
                if reply.len() > max || stream.read_buf(reply).await.unwrap_or(0) == 0 {
                    return false;
                }
            }
        };
        let ended = timeout(STREAM_END, rest).await;
        self.patience = if ended.is_ok() { PATIENCE } else { self.patience - 1 };
        ended.unwrap_or(false)
    }

    /// Reacts to the status of a failed call: after 401 the token is read again, and after 400 or 404 the session is opened again before the next
    /// call.
    fn handle_status(&mut self, status: u16) {
        match status {
            401 => {
                if let Some((bearer, version)) = &self.bearer {
                    bearer.refused(*version);
                }
            }
            // The protocol wants 404 for an unknown session; many servers answer 400. A 400 about the call itself costs one handshake.
            400 | 404 => self.session.lost(),
            _ => {}
        }
    }

    fn now_us(&self) -> u64 {
        monotonic_us().saturating_sub(self.options.epoch_us)
    }

    /// Writes the request by hand: the arguments are JSON already, and a serializer would have to parse them to embed them.
    fn render(&mut self, tool: &str, arguments: &str) {
        self.last_id += 1;
        self.body.clear();
        let id = self.last_id;
        write!(self.body, r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"#)
            .and_then(|()| Ok(serde_json::to_writer(&mut self.body, tool)?))
            .and_then(|()| write!(self.body, r#","arguments":{arguments}"#))
            .expect("a vector takes every write");
        self.request.clear();
        self.request.extend_from_slice(&self.head);
        if self.session.is_modern() {
            write!(self.body, r#","_meta":{}"#, self.meta).expect("a vector takes every write");
            let name = open::header_text(tool);
            write!(self.request, "{}: {name}\r\n", headers::MCP_NAME).expect("a vector takes every write");
        }
        self.body.extend_from_slice(b"}}");
        write!(self.request, "content-length: {}\r\n\r\n", self.body.len()).expect("a vector takes every write");
        self.request.extend_from_slice(&self.body);
    }

    /// Sends the rendered request and reads the whole reply. Sets `sent` as soon as a byte may have reached the server.
    async fn exchange(&mut self, sent: &mut bool) -> Result<Received, Outcome> {
        self.reply.clear();
        self.reply.shrink_to(KEPT_BUFFER);
        self.frame = Frame::default();
        // The stream leaves `self` for the exchange. If the deadline drops this future, the stream is closed with it,
        // so that the next call cannot take the late reply for its own.
        let mut stream = match self.stream.take().and_then(reusable) {
            Some(stream) => stream,
            None => Stream::open(&self.endpoint)
                .await
                .map_err(|error| Outcome::Failed(local::kind_of(&error, ErrorKind::Connect)))?,
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
        let received = receive(&mut stream, &mut self.frame, &mut self.reply, self.options.max_reply_bytes).await?;
        self.stream = Some(stream);
        Ok(received)
    }
}

/// Returns the outcome of a call. A 401 because the token has expired is not counted as an error of the server.
fn reclassify_expired_token(bearer: Option<&(Arc<Bearer>, u64)>, outcome: Outcome) -> Outcome {
    match (&outcome, bearer) {
        (Outcome::Failed(ErrorKind::Http(401)), Some((bearer, _))) => bearer.ended().map_or(outcome, Outcome::Failed),
        _ => outcome,
    }
}

// Head and request have the token.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint.authority()).finish_non_exhaustive()
    }
}

/// Returns the stream if it can carry another request.
fn reusable(mut stream: Stream) -> Option<Stream> {
    stream.is_alive().then_some(stream)
}

async fn receive(stream: &mut Stream, frame: &mut Frame, reply: &mut Vec<u8>, max: usize) -> Result<Received, Outcome> {
    let mut scan = events::Scan::default();
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
        // A server may leave an event stream open after the response.
        if let Some(stream) = frame.events_so_far(reply.len())
            && let Some(end) = scan.end_of_response(&reply[stream.clone()])
        {
            return Ok(frame.cut(stream.start + end));
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

/// Renders the head of a call, up to the fields that depend on the call.
fn render_head(endpoint: &Endpoint, token: Option<&str>, session: &Session) -> Vec<u8> {
    let mut head = open::request_line("POST", endpoint);
    // Both media types are named, because servers that use the SDK answer 406 to a request that accepts JSON alone.
    head.push_str("content-type: application/json\r\naccept: application/json, text/event-stream\r\n");
    for (name, value) in session.fields() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if session.is_modern() {
        head.push_str(&format!("{}: tools/call\r\n", headers::MCP_METHOD));
    }
    if let Some(token) = token {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    head.into_bytes()
}
