//! The handshake of a client with a server: 2026-07-28 if the server speaks it, else `initialize` with the session that the server may open. Its time is
//! recorded apart from the calls.

use super::open::{self, Era, Message, MessageReply};
use super::session::{Protocol, SESSION_ID};
use super::{Client, framing, malformed, request_meta};
use harness_history::{ErrorKind, Outcome};
use mcp_contracts::headers;
use mcp_contracts::service::{PROTOCOL_LEGACY, PROTOCOL_MODERN};
use serde_json::{Value, json};

/// JSON-RPC codes with which a server of 2026-07-28 rejects a request of its own era: a header differs from the body, and a capability is missing.
const REJECTED_BY_MODERN: [i64; 2] = [-32020, -32021];
/// Maximum length of a revision or of the id of a session, in bytes. Both are headers of each call.
const MAX_FIELD_BYTES: usize = 1 << 10;
/// Maximum number of characters of the place that a redirect names.
const MAX_PLACE: usize = 200;
/// Key of the name of the server in the `_meta` of its results (MCP 2026-07-28).
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// A handshake that a client has made. Times are microseconds since the client's epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Handshake {
    pub invoke_us: u64,
    /// Time of the last reply, or at which the handshake failed.
    pub complete_us: u64,
    /// Number of requests: 1 with a server of 2026-07-28, up to 3 with a legacy one.
    pub requests: u32,
    /// `Ok`, or why the client cannot call the server.
    pub outcome: Outcome,
    /// What client and server speak; `None` if the handshake failed.
    pub protocol: Option<Protocol>,
    /// Name and version of the server, if it sent them.
    pub server: Option<String>,
}

/// What a server answers to `server/discover`.
#[derive(Debug, PartialEq, Eq)]
enum Discovered {
    Modern,
    /// It does not speak 2026-07-28; `initialize` is tried.
    Legacy,
    /// `initialize` would fail for the same reason.
    Refused,
}

impl Client {
    /// Returns what client and server speak; `None` before a handshake, and after the server has lost the session.
    pub fn protocol(&self) -> Option<&Protocol> {
        self.session.protocol()
    }

    /// Makes the handshake that is due, for example before a load. Returns it; `None` if none was due.
    pub async fn ready(&mut self) -> Option<Handshake> {
        // The result of the handshake has the error as well.
        let _ = self.prepare().await;
        self.take_handshake()
    }

    /// Returns the last handshake, once. A call makes at most one, before it is sent, so a caller that asks after each call misses none.
    pub const fn take_handshake(&mut self) -> Option<Handshake> {
        self.made.take()
    }

    /// Closes the session on the server, so that the server does not keep it until it expires. Returns the outcome; `None` if there is no session. A
    /// server may refuse it (405), and keeps the session then.
    pub async fn end(&mut self) -> Option<Outcome> {
        let fields: Vec<_> = self.session.fields().into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        let closed = self.session.close();
        let Some(Protocol::Legacy { session: Some(_), .. }) = closed else { return None };
        self.request = open::request("DELETE", self, &fields, "");
        let ended = self.converse().await.1;
        self.stream = None;
        Some(match ended {
            Ok(received) if matches!(received.status, 200..300 | 404 | 405) => Outcome::Ok,
            Ok(received) => Outcome::Failed(ErrorKind::Http(received.status)),
            Err(outcome) => outcome,
        })
    }

    /// Returns where the last reply redirects to, as it may be printed.
    pub(super) fn location(&self) -> Option<String> {
        let fields = framing::fields(self.reply.get(self.frame.head_range())?);
        fields
            .into_iter()
            .find(|(name, _)| name == "location")
            .map(|(_, place)| place.chars().filter(|letter| !letter.is_control()).take(MAX_PLACE).collect())
    }

    /// Takes a token that has changed, and makes the handshake that is due.
    pub(super) async fn prepare(&mut self) -> Result<(), ErrorKind> {
        self.renew_token();
        if self.session.protocol().is_some() {
            return Ok(());
        }
        let invoke_us = self.now_us();
        let before = self.last_id;
        // Boxed, because it runs once for each user, and the future of a call stays small.
        let greeted = Box::pin(self.greet()).await;
        let (outcome, server) = match greeted {
            Ok(server) => (Outcome::Ok, server),
            Err(outcome) => {
                self.session.close();
                (outcome, None)
            }
        };
        self.render_head();
        let failed = match &outcome {
            Outcome::Ok => None,
            Outcome::Failed(kind) | Outcome::Unknown(kind) => Some(kind.clone()),
        };
        self.made = Some(Handshake {
            invoke_us,
            complete_us: self.now_us(),
            requests: u32::try_from(self.last_id - before).unwrap_or(u32::MAX),
            outcome,
            protocol: self.session.protocol().cloned(),
            server,
        });
        failed.map_or(Ok(()), Err)
    }

    async fn greet(&mut self) -> Result<Option<String>, Outcome> {
        if !self.session.is_legacy() {
            let response = self.ask_in(Era::Modern, &message("server/discover", json!({}))).await;
            match discovered(&response) {
                Discovered::Modern => {
                    self.session.open(Protocol::Modern);
                    return Ok(server_name(&response.result["_meta"][SERVER_INFO]));
                }
                Discovered::Refused => return Err(response.outcome),
                Discovered::Legacy => {}
            }
        }
        self.initialize().await
    }

    async fn initialize(&mut self) -> Result<Option<String>, Outcome> {
        let client = request_meta()[headers::META_CLIENT_INFO].take();
        let params = json!({ "protocolVersion": PROTOCOL_LEGACY, "capabilities": {}, "clientInfo": client });
        let response = self.ask_in(Era::Legacy, &message("initialize", params)).await;
        if response.outcome != Outcome::Ok {
            return Err(response.outcome);
        }
        let version = response.result["protocolVersion"].as_str().unwrap_or_default();
        if !is_field(version) {
            return Err(malformed("a reply to `initialize` without a `protocolVersion`"));
        }
        let session = response.header(SESSION_ID);
        if session.is_some_and(|session| !is_field(session)) {
            return Err(malformed("a session whose id is not printable ASCII"));
        }
        let (version, session) = (version.to_owned(), session.map(str::to_owned));
        self.session.open(Protocol::Legacy { version, session });
        self.notify("notifications/initialized").await?;
        Ok(server_name(&response.result["serverInfo"]))
    }

    /// Sends a notification, which has no response but an HTTP status.
    async fn notify(&mut self, method: &str) -> Result<(), Outcome> {
        self.last_id += 1;
        let fields: Vec<_> = self.session.fields().into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        let body = json!({ "jsonrpc": "2.0", "method": method }).to_string();
        self.request = open::request("POST", self, &fields, &body);
        match self.converse().await.1? {
            received if matches!(received.status, 200..300) => Ok(()),
            received => Err(Outcome::Failed(ErrorKind::Http(received.status))),
        }
    }
}

fn message(method: &str, params: Value) -> Message {
    let params = params.as_object().cloned().unwrap_or_default();
    Message { method: method.to_owned(), params, ..Message::default() }
}

/// Decides the era of a server. Legacy servers answer an unknown method, or a request without a session, in many ways: 400, 404, 405, 406, 422, 500, or
/// a JSON-RPC error in a 200. So every answer is one of a legacy server unless it would be the same for `initialize`.
fn discovered(response: &MessageReply) -> Discovered {
    // Some legacy servers never answer a method that they do not know.
    if response.outcome == Outcome::Unknown(ErrorKind::Timeout) {
        return Discovered::Legacy;
    }
    let Some(status) = response.status else { return Discovered::Refused };
    if response.outcome == Outcome::Ok {
        let versions = response.result["supportedVersions"].as_array();
        let speaks = versions.is_some_and(|versions| versions.iter().any(|version| version == PROTOCOL_MODERN));
        return if speaks { Discovered::Modern } else { Discovered::Legacy };
    }
    let rejected = response.error["code"].as_i64().is_some_and(|code| REJECTED_BY_MODERN.contains(&code));
    // Redirects are never followed, and 401, 403, 429 and 503 do not depend on the method.
    if rejected || matches!(status, 300..=399 | 401 | 403 | 407 | 429 | 503) {
        Discovered::Refused
    } else {
        Discovered::Legacy
    }
}

/// Returns true if a text of the server can be a header of each call.
fn is_field(text: &str) -> bool {
    (1..=MAX_FIELD_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn server_name(info: &Value) -> Option<String> {
    let name = info["name"].as_str()?;
    Some(info["version"].as_str().map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
}

#[cfg(test)]
mod tests {
    use super::{Discovered, discovered, is_field};
    use crate::drive::client::MessageReply;
    use harness_history::{ErrorKind, Outcome};
    use serde_json::{Value, json};

    fn reply(status: Option<u16>, outcome: Outcome, result: Value, error: Value) -> MessageReply {
        MessageReply { invoke_us: 0, complete_us: 0, outcome, status, headers: Vec::new(), result, error }
    }

    #[test]
    fn the_era_of_a_server_is_in_its_answer_to_discover() {
        let ok = |versions: Value| reply(Some(200), Outcome::Ok, json!({ "supportedVersions": versions }), Value::Null);
        assert_eq!(discovered(&ok(json!(["2025-11-25", "2026-07-28"]))), Discovered::Modern);
        assert_eq!(discovered(&ok(json!(["2025-11-25"]))), Discovered::Legacy);
        assert_eq!(discovered(&ok(Value::Null)), Discovered::Legacy);
        for status in [400, 404, 405, 406, 415, 422, 500] {
            let failed = Outcome::Failed(ErrorKind::Http(status));
            assert_eq!(discovered(&reply(Some(status), failed, Value::Null, Value::Null)), Discovered::Legacy);
        }
        for (code, expected) in
            [(-32601, Discovered::Legacy), (-32022, Discovered::Legacy), (-32020, Discovered::Refused)]
        {
            let failed = Outcome::Failed(ErrorKind::JsonRpc(code));
            assert_eq!(discovered(&reply(Some(200), failed, Value::Null, json!({ "code": code }))), expected, "{code}");
        }
        for status in [301, 307, 401, 403, 429, 503] {
            let failed = Outcome::Failed(ErrorKind::Http(status));
            assert_eq!(discovered(&reply(Some(status), failed, Value::Null, Value::Null)), Discovered::Refused);
        }
        let without_status = |kind| reply(None, Outcome::Unknown(kind), Value::Null, Value::Null);
        assert_eq!(discovered(&without_status(ErrorKind::Timeout)), Discovered::Legacy);
        assert_eq!(discovered(&without_status(ErrorKind::Reset)), Discovered::Refused);
    }

    #[test]
    fn a_session_cannot_add_a_header() {
        assert!(is_field("0f0c-1"));
        for wrong in ["", "a b", "a\r\nx: y", "\u{e4}", &"a".repeat(1_025)] {
            assert!(!is_field(wrong), "{wrong:?}");
        }
    }
}
