//! Classifies a complete reply by its HTTP status, its JSON-RPC envelope and its tool result. The parsed values borrow from the read buffer,
//! because a load parses every reply.

use super::framing::Received;
use super::{events, malformed};
use harness_history::{ErrorKind, Outcome};
use mcp_contracts::ErrorCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<ToolResult<'a>>,
    #[serde(borrow)]
    error: Option<RpcError<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    // The parts stay unparsed: the content repeats the structured content as text, and only an error needs its value.
    /// Required in a complete tool result.
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    input_requests: Option<&'a RawValue>,
    #[serde(borrow)]
    structured_content: Option<&'a RawValue>,
    #[serde(default)]
    is_error: bool,
    #[serde(borrow)]
    result_type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RpcError<'a> {
    code: i64,
    /// Required in an error.
    #[serde(borrow)]
    message: &'a RawValue,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    text: Option<String>,
}

/// Why an error that [`shows_internals`] is malformed.
const INTERNALS_SHOWN: &str = "an error that reveals internals of the service";
/// Maximum length of the code of a tool error, in bytes.
const MAX_CODE_BYTES: usize = 64;
/// JSON-RPC code of an internal error. The call may have taken effect before the error, so its outcome is unknown.
const INTERNAL_ERROR: i64 = -32603;

/// A reply that was judged.
pub(super) struct JudgedReply<'a> {
    pub(super) outcome: Outcome,
    /// `structuredContent` as JSON text.
    pub(super) structured: Option<&'a str>,
    /// `content` as JSON text.
    pub(super) content: Option<&'a str>,
    /// Every byte of the reply.
    pub(super) raw: &'a [u8],
}

/// Judges the reply to request `id`.
pub(super) fn judge<'a>(buffer: &'a mut [u8], received: &Received, id: u64) -> JudgedReply<'a> {
    let body = message(buffer, received);
    let raw: &'a [u8] = buffer;
    match body.and_then(|body| envelope(&raw[body], id)) {
        Ok(result) => {
            let (outcome, structured) = tool_result(&result);
            JudgedReply { outcome, structured, content: result.content.map(RawValue::get), raw }
        }
        Err(outcome) => JudgedReply { outcome, structured: None, content: None, raw },
    }
}

/// Returns the position of the JSON-RPC response in the buffer. Fails with the outcome if the status is an error, or if the event stream
/// contains no response.
pub(super) fn message(buffer: &mut [u8], received: &Received) -> Result<Range<usize>, Outcome> {
    match received.status {
        200..300 => {}
        429 => return Err(limited(&buffer[received.body.clone()])),
        // A 503 is sent before the call has an effect; any other 5xx may be sent after it.
        status @ (500..=502 | 504..) => return Err(Outcome::Unknown(ErrorKind::Http(status))),
        status => return Err(Outcome::Failed(ErrorKind::Http(status))),
    }
    if !received.events {
        return Ok(received.body.clone());
    }
    match events::response_event(&mut buffer[received.body.clone()]) {
        Some(event) => Ok(received.body.start + event.start..received.body.start + event.end),
        None => Err(malformed("an event stream that ended without a response")),
    }
}

/// Returns the outcome of a 429: the quota, or our services' refusal of an organisation that has too many calls at the same time.
fn limited(body: &[u8]) -> Outcome {
    #[derive(Deserialize)]
    struct Refusal {
        error: RefusalError,
    }
    #[derive(Deserialize)]
    struct RefusalError {
        data: Code,
    }
    let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
    let overloaded = ErrorCode::Overloaded.name();
    match refusal {
        Some(refusal) if refusal.error.data.code == overloaded => tool_error(overloaded),
        Some(_) | None => Outcome::Failed(ErrorKind::Quota),
    }
}

fn envelope(body: &[u8], id: u64) -> Result<ToolResult<'_>, Outcome> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|error| malformed(&format!("not a JSON-RPC response: {error}")))?;
    if envelope.jsonrpc != "2.0" {
        return Err(malformed("a response whose `jsonrpc` is not `2.0`"));
    }
    // Compared as text: JSON-RPC allows other types of `id`, but only the number that was sent belongs to this call.
    let same_id = envelope.id.is_some_and(|raw| raw.get().parse() == Ok(id));
    match (envelope.result, envelope.error) {
        (Some(result), None) if same_id => Ok(result),
        // The error about a request that the server could not parse has no `id`.
        (None, Some(error)) if same_id || envelope.id.is_none() => Err(rpc_error(error.code, error.message.get())),
        (Some(_), None) | (None, Some(_)) => Err(malformed("a response with the `id` of another request")),
        (Some(_), Some(_)) => Err(malformed("a response with both `result` and `error`")),
        (None, None) => Err(malformed("a response with neither `result` nor `error`")),
    }
}

fn tool_result<'a>(result: &ToolResult<'a>) -> (Outcome, Option<&'a str>) {
    let structured = result.structured_content.map(RawValue::get);
    match result.result_type.as_deref() {
        None | Some("complete") => {}
        Some("input_required") if result.input_requests.is_some() => {
            return (Outcome::Failed(ErrorKind::InputRequired), structured);
        }
        Some(_) => return (malformed("a result whose `resultType` is not `complete`"), structured),
    }
    let Some(content) = result.content else {
        return (malformed("a tool result without `content`"), structured);
    };
    if !result.is_error {
        return (Outcome::Ok, structured);
    }
    (refused(structured, content.get()), structured)
}

/// Returns true if a text contains the output of a panic or a stack trace. Such a text helps an attacker and no client.
fn shows_internals(text: &str) -> bool {
    ["panicked at ", "stack backtrace:", "RUST_BACKTRACE"].into_iter().any(|sign| text.contains(sign))
}

pub(super) fn rpc_error(code: i64, message: &str) -> Outcome {
    if shows_internals(message) {
        return malformed(INTERNALS_SHOWN);
    }
    let kind = ErrorKind::JsonRpc(code);
    if code == INTERNAL_ERROR { Outcome::Unknown(kind) } else { Outcome::Failed(kind) }
}

pub(super) fn refused(structured: Option<&str>, content: &str) -> Outcome {
    if [structured.unwrap_or_default(), content].into_iter().any(shows_internals) {
        return malformed(INTERNALS_SHOWN);
    }
    tool_error(&error_code(structured, content))
}

fn tool_error(code: &str) -> Outcome {
    match code {
        "quota_exceeded" => Outcome::Failed(ErrorKind::Quota),
        // A service may send these errors after the effect. `none` stands for an error without a code.
        "deadline_exceeded" | "internal" | "none" => Outcome::Unknown(ErrorKind::Tool(Arc::from(code))),
        code => Outcome::Failed(ErrorKind::Tool(Arc::from(code))),
    }
}

/// Returns the stable code of an error, or `none` if the error has no code. A text that is no code, such as a sentence, is none either: the code is
/// printed, and counted by its value. The code is in the structured content or in
/// the JSON of the first text block. Our services use the text block (decision 0008).
fn error_code(structured: Option<&str>, content: &str) -> String {
    let in_text = || {
        let blocks: Vec<Block> = serde_json::from_str(content).ok()?;
        serde_json::from_str(blocks.first()?.text.as_deref()?).ok()
    };
    let structured = structured.and_then(|text| serde_json::from_str(text).ok());
    let code = structured.or_else(in_text).map(|code: Code| code.code).filter(|code| is_code(code));
    code.unwrap_or_else(|| "none".to_owned())
}

fn is_code(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    (1..=MAX_CODE_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::{Received, judge};
    use harness_history::{ErrorKind, Outcome};

    fn judged(status: u16, events: bool, body: &str) -> (Outcome, Option<String>) {
        let mut buffer = format!("head{body}").into_bytes();
        let received = Received { status, head: 0..4, body: 4..buffer.len(), events, reusable: true, open: false };
        let judged = judge(&mut buffer, &received, 7);
        (judged.outcome, judged.structured.map(str::to_owned))
    }

    #[test]
    fn every_ending_has_its_kind() {
        let tool = |code: &str| ErrorKind::Tool(code.into());
        for (status, body, expected) in [
            (200, r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"structuredContent":{"a":1}}}"#, Outcome::Ok),
            (429, "slow down", Outcome::Failed(ErrorKind::Quota)),
            (429, r#"{"error":{"data":{"code":"quota_exceeded"}}}"#, Outcome::Failed(ErrorKind::Quota)),
            (429, r#"{"error":{"data":{"code":"overloaded","retryable":true}}}"#, Outcome::Failed(tool("overloaded"))),
            (401, "", Outcome::Failed(ErrorKind::Http(401))),
            (503, "", Outcome::Failed(ErrorKind::Http(503))),
            (500, "", Outcome::Unknown(ErrorKind::Http(500))),
            (504, "", Outcome::Unknown(ErrorKind::Http(504))),
            (
                200,
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"x"}}"#,
                Outcome::Failed(ErrorKind::JsonRpc(-32602)),
            ),
            (
                200,
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"x"}}"#,
                Outcome::Unknown(ErrorKind::JsonRpc(-32603)),
            ),
            (
                200,
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true,"structuredContent":{"code":"not_found"}}}"#,
                Outcome::Failed(tool("not_found")),
            ),
            (
                200,
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"{\"code\":\"reserved_tag\"}"}],"isError":true}}"#,
                Outcome::Failed(tool("reserved_tag")),
            ),
            (
                200,
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true,"structuredContent":{"code":"quota_exceeded"}}}"#,
                Outcome::Failed(ErrorKind::Quota),
            ),
            (200, r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true}}"#, Outcome::Unknown(tool("none"))),
            (
                200,
                r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","inputRequests":{},"requestState":"s"}}"#,
                Outcome::Failed(ErrorKind::InputRequired),
            ),
            (
                200,
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true,"structuredContent":{"code":"deadline_exceeded"}}}"#,
                Outcome::Unknown(tool("deadline_exceeded")),
            ),
        ] {
            assert_eq!(judged(status, false, body).0, expected, "{status} {body}");
        }
    }

    #[test]
    fn an_error_code_that_is_not_a_short_word_is_none() {
        let long = "x".repeat(65);
        for (code, expected) in [
            ("a.b:c-d_1", Outcome::Failed(ErrorKind::Tool("a.b:c-d_1".into()))),
            ("", Outcome::Unknown(ErrorKind::Tool("none".into()))),
            ("not found", Outcome::Unknown(ErrorKind::Tool("none".into()))),
            ("\u{1b}[2J", Outcome::Unknown(ErrorKind::Tool("none".into()))),
            (&long, Outcome::Unknown(ErrorKind::Tool("none".into()))),
        ] {
            let error = serde_json::json!({ "content": [], "isError": true, "structuredContent": { "code": code } });
            let body = serde_json::json!({ "jsonrpc": "2.0", "id": 7, "result": error }).to_string();
            assert_eq!(judged(200, false, &body).0, expected, "{code:?}");
        }
    }

    #[test]
    fn a_reply_that_the_protocol_does_not_allow_is_malformed_and_unknown() {
        for body in [
            "",
            "{",
            "[]",
            r#"{"jsonrpc":"1.0","id":7,"result":{"content":[]}}"#,
            r#"{"jsonrpc":"2.0","id":8,"result":{"content":[]}}"#,
            r#"{"jsonrpc":"2.0","id":"7","result":{"content":[]}}"#,
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"resultType":"input_required"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]},"error":{"code":1,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"thread 'main' panicked at src/a.rs:1:2"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"{\"code\":\"internal\",\"message\":\"x\nstack backtrace:\"}"}],"isError":true}}"#,
        ] {
            let outcome = judged(200, false, body).0;
            assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{body}: {outcome:?}");
        }
    }

    #[test]
    fn the_response_is_found_among_the_events() {
        let note = r#"data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
        let reply = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"structuredContent":{"a":1}}}"#;
        let split = reply.replacen(",\"result\"", ",\ndata:\"result\"", 1);
        for body in [
            format!("data: {reply}\n\n"),
            format!(": hello\r\nid: 1\r\ndata: \r\n\r\n{note}\r\n\r\nevent: message\r\ndata: {reply}\r\n\r\n"),
            format!("{note}\n\ndata: {split}\n\n"),
            format!("data: {reply}"),
        ] {
            assert_eq!(judged(200, true, &body), (Outcome::Ok, Some(r#"{"a":1}"#.to_owned())), "{body}");
        }
    }

    #[test]
    fn an_event_stream_without_a_response_is_malformed() {
        for body in ["", ": ping\n\n", "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n", "data: {\n\n"] {
            let outcome = judged(200, true, body).0;
            assert!(matches!(outcome, Outcome::Unknown(ErrorKind::Malformed(_))), "{body}: {outcome:?}");
        }
    }
}
