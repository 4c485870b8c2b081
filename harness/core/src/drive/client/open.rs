//! Sends a request of any method, in either era of the protocol and with any headers, and returns the whole reply. The
//! actors of a scenario use it. The users of a load use [`Client::call_json`], which costs less.

use super::{Client, Endpoint, framing, malformed, reply, request_meta};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness_history::{ErrorKind, Outcome};
use mcp_contracts::headers;
use mcp_contracts::service::{PROTOCOL_LEGACY, PROTOCOL_MODERN};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28: every request is independent and names its method in a header.
    #[default]
    Modern,
    /// 2025-11-25: the newest revision with an `initialize` handshake.
    Legacy,
}

/// A request of any method.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// The method, such as `resources/read`.
    pub method: String,
    /// Its parameters, without `_meta`.
    pub params: Map<String, Value>,
    pub era: Era,
    /// Headers in addition to those of the protocol.
    pub headers: Vec<(String, String)>,
    /// True if the request declares that the client can ask its user a question (elicitation, modern era only).
    pub supports_elicitation: bool,
}

/// The reply to a [`Message`], with all of its parts. Times are microseconds since the client's epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageReply {
    pub invoke_us: u64,
    /// Time at which the reply was complete, or at which the call failed.
    pub complete_us: u64,
    pub outcome: Outcome,
    /// HTTP status; `None` without a reply.
    pub status: Option<u16>,
    /// Header fields of the reply, names in lower case.
    pub headers: Vec<(String, String)>,
    /// `result` of the reply.
    pub result: Value,
    /// `error` of the reply, or the error in the content of a tool result.
    pub error: Value,
}

impl MessageReply {
    /// A reply of which nothing is known yet.
    fn at(invoke_us: u64, complete_us: u64, outcome: Outcome) -> Self {
        let (result, error) = (Value::Null, Value::Null);
        Self { invoke_us, complete_us, outcome, status: None, headers: Vec::new(), result, error }
    }

    /// Returns the value of a header field of the reply. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// Sends a request of any method once and waits for the complete reply, at most for the deadline. A client that negotiates makes the handshake that
    /// is due, and speaks what the server speaks, whatever the era of the message is.
    pub async fn ask(&mut self, message: &Message) -> MessageReply {
        if let Err(kind) = self.prepare().await {
            let now_us = self.now_us();
            return MessageReply::at(now_us, now_us, Outcome::Failed(kind));
        }
        let negotiated = if self.session.is_modern() { Era::Modern } else { Era::Legacy };
        let era = if self.session.negotiates() { negotiated } else { message.era };
        self.ask_in(era, message).await
    }

    /// Sends a request without a handshake before it.
    pub(super) async fn ask_in(&mut self, era: Era, message: &Message) -> MessageReply {
        let invoke_us = self.now_us();
        self.last_id += 1;
        let id = self.last_id;
        self.render_open(era, message, id);
        let (complete_us, received) = self.converse().await;
        let mut response = MessageReply::at(invoke_us, complete_us, Outcome::Ok);
        match received {
            Ok(received) => {
                response.status = Some(received.status);
                response.headers = framing::fields(&self.reply[received.head.clone()]);
                // A request that is refused with an HTTP error may have a JSON-RPC error in its body, which scenarios check.
                let refused = serde_json::from_slice::<Value>(&self.reply[received.body.clone()]);
                match reply::message(&mut self.reply, &received) {
                    Ok(body) => parse_response(&self.reply[body], id, &message.method, &mut response),
                    Err(outcome) => {
                        response.outcome = outcome;
                        response.error = refused.map(|body| member(body, "error")).unwrap_or_default();
                    }
                }
            }
            Err(outcome) => response.outcome = outcome,
        }
        response
    }

    /// Returns the bytes of a request without sending it.
    pub fn request_bytes(mut self, message: &Message) -> Vec<u8> {
        self.last_id += 1;
        self.render_open(message.era, message, self.last_id);
        self.request.to_vec()
    }

    pub(super) fn render_open(&mut self, era: Era, message: &Message, id: u64) {
        let mut params = message.params.clone();
        let mut fields: Vec<(&str, String)> = Vec::new();
        match era {
            Era::Modern => {
                params.insert("_meta".to_owned(), meta(message.supports_elicitation));
                fields.push((headers::MCP_PROTOCOL_VERSION, PROTOCOL_MODERN.to_owned()));
                fields.push((headers::MCP_METHOD, message.method.clone()));
                // The header repeats the name of a tool or a prompt, or the URI of a resource; a service compares both.
                let name = message.params.get("name").or_else(|| message.params.get("uri")).and_then(Value::as_str);
                fields.extend(name.map(|name| (headers::MCP_NAME, header_text(name).into_owned())));
            }
            Era::Legacy if self.session.negotiates() => {
                fields.extend(self.session.fields().into_iter().map(|(name, value)| (name, value.to_owned())));
            }
            // There is no `initialize` before it, because the services keep no state between two calls.
            Era::Legacy => fields.push((headers::MCP_PROTOCOL_VERSION, PROTOCOL_LEGACY.to_owned())),
        }
        fields.extend(message.headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": message.method, "params": params }).to_string();
        self.request = request("POST", self, &fields, &body);
    }
}

/// Returns a request with the token of the client. Only a request with a body has a type and a length.
pub(super) fn request(verb: &str, client: &Client, fields: &[(&str, String)], body: &str) -> Vec<u8> {
    let mut head = request_line(verb, &client.endpoint);
    head.push_str("accept: application/json, text/event-stream\r\n");
    if !body.is_empty() {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    if let Some(token) = &client.token {
        head.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.push_str(body);
    head.into_bytes()
}

/// Returns the first lines of every request.
pub(super) fn request_line(verb: &str, endpoint: &Endpoint) -> String {
    format!(
        "{verb} {} HTTP/1.1\r\nhost: {}\r\nuser-agent: harness/{}\r\n",
        endpoint.path(),
        endpoint.authority(),
        env!("CARGO_PKG_VERSION")
    )
}

fn meta(supports_elicitation: bool) -> Value {
    let mut meta = request_meta();
    if supports_elicitation {
        meta[headers::META_CLIENT_CAPABILITIES] = json!({ "elicitation": { "form": {} } });
    }
    meta
}

/// Encodes a text for a header. Printable ASCII stays as it is; any other text becomes Base64 (MCP 2026-07-28,
/// streamable HTTP).
pub(super) fn header_text(text: &str) -> Cow<'_, str> {
    // A receiver strips spaces around a field value, so a text that begins or ends with one is encoded as well.
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text;
    if plain { Cow::Borrowed(text) } else { Cow::Owned(format!("=?base64?{}?=", STANDARD.encode(text))) }
}

/// Takes a member out of a value; null if the value is not an object. Indexing it for a change would panic on an array or a text, and any server may
/// send one.
fn member(mut value: Value, name: &str) -> Value {
    value.get_mut(name).map(Value::take).unwrap_or_default()
}

fn parse_response(body: &[u8], id: u64, method: &str, response: &mut MessageReply) {
    let Some(mut body) = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object) else {
        response.outcome = malformed("not a JSON-RPC response");
        return;
    };
    (response.result, response.error) = (body["result"].take(), body["error"].take());
    response.outcome = if body["jsonrpc"] != "2.0" {
        malformed("a response whose `jsonrpc` is not `2.0`")
    } else if let Some(code) = response.error["code"].as_i64() {
        // Before the `id` is compared: the error about a request that the server could not parse has none.
        reply::rpc_error(code, &response.error["message"].to_string())
    } else if body["id"] != id {
        malformed("a response with the `id` of another request")
    } else if !response.result.is_object() {
        malformed("a response with neither `result` nor `error`")
    } else {
        result_outcome(method, response)
    };
}

fn result_outcome(method: &str, response: &mut MessageReply) -> Outcome {
    let result = &response.result;
    match result["resultType"].as_str() {
        None | Some("complete") => {}
        Some("input_required") if result["inputRequests"].is_object() => {
            return Outcome::Failed(ErrorKind::InputRequired);
        }
        Some(_) => return malformed("a result whose `resultType` is not `complete`"),
    }
    if method != "tools/call" {
        return Outcome::Ok;
    }
    if !result["content"].is_array() {
        return malformed("a tool result without `content`");
    }
    if result["isError"] != true {
        return Outcome::Ok;
    }
    let (structured, content) = (result["structuredContent"].to_string(), result["content"].to_string());
    let outcome = reply::refused(Some(&structured), &content);
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    // Our services put the error into the text (decision 0008); other servers use the structured content.
    response.error = serde_json::from_str(text).unwrap_or_else(|_| response.result["structuredContent"].clone());
    outcome
}

#[cfg(test)]
mod tests {
    use super::{MessageReply, header_text, parse_response};
    use harness_history::{ErrorKind, Outcome};
    use serde_json::{Value, json};

    fn parsed(method: &str, body: &Value) -> MessageReply {
        let mut response = MessageReply::at(0, 0, Outcome::Ok);
        parse_response(body.to_string().as_bytes(), 7, method, &mut response);
        response
    }

    #[test]
    fn every_ending_of_any_method_has_its_kind() {
        let reply = |result: Value| json!({ "jsonrpc": "2.0", "id": 7, "result": result });
        let asks = reply(json!({ "resultType": "input_required", "inputRequests": { "a": {} }, "requestState": "s" }));
        let refused = json!([{ "type": "text", "text": "{\"code\":\"not_found\",\"message\":\"x\"}" }]);
        for (method, body, expected) in [
            ("tools/list", reply(json!({ "tools": [] })), Outcome::Ok),
            ("tools/call", asks, Outcome::Failed(ErrorKind::InputRequired)),
            (
                "tools/call",
                reply(json!({ "isError": true, "content": refused })),
                Outcome::Failed(ErrorKind::Tool("not_found".into())),
            ),
            (
                "resources/read",
                json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": -32602, "message": "x" } }),
                Outcome::Failed(ErrorKind::JsonRpc(-32602)),
            ),
        ] {
            assert_eq!(parsed(method, &body).outcome, expected, "{body}");
        }
        let traced =
            json!([{ "type": "text", "text": "{\"code\":\"internal\",\"message\":\"x\\nstack backtrace:\"}" }]);
        let shown = parsed("tools/call", &reply(json!({ "isError": true, "content": traced })));
        assert!(matches!(shown.outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{:?}", shown.outcome);
        let refusal = parsed("tools/call", &reply(json!({ "isError": true, "content": refused })));
        assert_eq!(refusal.error["code"], "not_found");
    }

    #[test]
    fn what_the_protocol_does_not_allow_is_malformed_and_unknown() {
        for body in [
            json!([]),
            json!({ "jsonrpc": "2.0", "id": 8, "result": {} }),
            json!({ "jsonrpc": "2.0", "id": 7 }),
            json!({ "jsonrpc": "2.0", "id": 7, "result": {} }),
            json!({ "jsonrpc": "2.0", "id": 7, "result": { "resultType": "input_required" } }),
        ] {
            let outcome = parsed("tools/call", &body).outcome;
            assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{body}: {outcome:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_header_travels_encoded() {
        assert_eq!(header_text("guardrail://rules"), "guardrail://rules");
        assert_eq!(header_text("ä"), "=?base64?w6Q=?=");
        assert_eq!(header_text("a\r\nb"), "=?base64?YQ0KYg==?=", "nothing in a name can begin another header");
    }
}
