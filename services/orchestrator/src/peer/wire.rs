//! One call on the wire (MCP 2026-07-28, streamable HTTP, stateless): writes the body of the request, and checks a reply before any of its
//! content is used. This module does no I/O.

use super::error::PeerError;
use http::StatusCode;
use mcp_contracts::service::PROTOCOL_MODERN;
use mcp_contracts::{ErrorCode, ToolError, headers, rpc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

pub const MAX_REPLY_BYTES: usize = 8 << 20;

#[derive(Serialize)]
struct Request<'a, A> {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: Params<'a, A>,
}

#[derive(Serialize)]
struct Params<'a, A> {
    name: &'a str,
    arguments: &'a A,
    #[serde(rename = "_meta")]
    meta: &'a RawValue,
}

/// The `_meta` of every call.
static META: LazyLock<Box<RawValue>> = LazyLock::new(|| {
    let meta = serde_json::json!({
        headers::META_PROTOCOL_VERSION: PROTOCOL_MODERN,
        headers::META_CLIENT_CAPABILITIES: {},
        headers::META_CLIENT_INFO: { "name": "mcp-orchestrator", "version": env!("CARGO_PKG_VERSION") },
    });
    serde_json::value::to_raw_value(&meta).expect("a JSON value is JSON")
});

pub fn encode_request<A: Serialize>(id: u64, tool: &str, arguments: &A) -> Result<Vec<u8>, PeerError> {
    let params = Params { name: tool, arguments, meta: &META };
    serde_json::to_vec(&Request { jsonrpc: "2.0", id, method: "tools/call", params })
        .map_err(|_| PeerError::Malformed("the arguments cannot be written as JSON"))
}

#[derive(Deserialize)]
struct RpcReply<'a> {
    #[serde(borrow, default)]
    jsonrpc: Cow<'a, str>,
    #[serde(default)]
    id: Option<serde_json::Value>,
    #[serde(borrow, default)]
    result: Option<ToolResult<'a>>,
    #[serde(default)]
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct ToolResult<'a> {
    #[serde(borrow, default, rename = "resultType")]
    result_type: Option<Cow<'a, str>>,
    #[serde(default, rename = "isError")]
    is_error: bool,
    #[serde(borrow, default, rename = "structuredContent")]
    structured: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ContentBlock<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
}

/// Parses the reply to call `id`. Fails unless it is a complete result of this call.
pub fn parse_reply<R: DeserializeOwned>(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
    id: u64,
) -> Result<R, PeerError> {
    match status.as_u16() {
        200 => {}
        401 | 403 => return Err(PeerError::Denied(status.as_u16())),
        429 => return Err(PeerError::Quota { retry_after }),
        503 => return Err(PeerError::Busy { retry_after }),
        500.. => return Err(PeerError::Status(status.as_u16())),
        _ => return Err(refused(body)),
    }
    let reply: RpcReply<'_> = serde_json::from_slice(body).map_err(|_| PeerError::Malformed("not a JSON-RPC reply"))?;
    if reply.jsonrpc != "2.0" {
        return Err(PeerError::Malformed("not a JSON-RPC 2.0 reply"));
    }
    if reply.id.as_ref().and_then(serde_json::Value::as_u64) != Some(id) {
        return Err(PeerError::Malformed("the reply belongs to another call"));
    }
    if let Some(error) = reply.error {
        return Err(rpc_error(error.code));
    }
    let outcome = reply.result.ok_or(PeerError::Malformed("neither a result nor an error"))?;
    match outcome.result_type.as_deref() {
        Some("complete") => {}
        Some(_) => return Err(PeerError::Malformed("the result is not complete")),
        // Every result of this revision names its type; older revisions have no such field.
        None => return Err(PeerError::Version),
    }
    if outcome.is_error {
        return Err(tool_error(outcome.content));
    }
    let structured = outcome.structured.ok_or(PeerError::Malformed("no structured content"))?;
    serde_json::from_str(structured.get())
        .map_err(|_| PeerError::Malformed("the structured content does not match the contract of the tool"))
}

/// Returns the error of a reply whose HTTP status is below 500.
fn refused(body: &[u8]) -> PeerError {
    match serde_json::from_slice::<RpcReply<'_>>(body) {
        Ok(RpcReply { error: Some(error), .. }) => rpc_error(error.code),
        Ok(_) | Err(_) => PeerError::Malformed("an HTTP status that no MCP endpoint returns"),
    }
}

fn rpc_error(code: i64) -> PeerError {
    match code {
        rpc::UNSUPPORTED_VERSION => PeerError::Version,
        rpc::UNAVAILABLE => PeerError::Busy { retry_after: None },
        rpc::QUOTA_EXCEEDED => PeerError::Quota { retry_after: None },
        other => PeerError::Rpc(other),
    }
}

fn tool_error(content: Option<&RawValue>) -> PeerError {
    let blocks = content.and_then(|content| serde_json::from_str::<Vec<ContentBlock<'_>>>(content.get()).ok());
    let error = blocks.and_then(|blocks| serde_json::from_str::<ToolError>(&blocks.first()?.text).ok());
    match error {
        // With these codes the peer did not start the work, so the call may go to another instance.
        Some(ToolError { code: ErrorCode::Draining | ErrorCode::Overloaded, retry_after_ms, .. }) => {
            PeerError::Busy { retry_after: retry_after_ms.map(Duration::from_millis) }
        }
        Some(error) => PeerError::Tool(error),
        None => PeerError::Malformed("an error without a code"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(status: u16, body: &str) -> Result<Value, PeerError> {
        parse_reply(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(2)), body.as_bytes(), 7)
    }

    #[test]
    fn only_a_complete_reply_to_this_call_is_used() {
        let good = json!({"jsonrpc": "2.0", "id": 7, "result": {"resultType": "complete", "content": [], "structuredContent": {"a": 1}}});
        assert_eq!(read(200, &good.to_string()).unwrap(), json!({"a": 1}));
        let changed = |pointer: &str, value: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            read(200, &changed.to_string()).unwrap_err()
        };
        assert!(matches!(changed("/id", json!(8)), PeerError::Malformed(_)));
        assert!(matches!(changed("/id", json!("7")), PeerError::Malformed(_)));
        assert!(matches!(changed("/jsonrpc", json!("1.0")), PeerError::Malformed(_)));
        assert!(matches!(changed("/result/resultType", json!("input_required")), PeerError::Malformed(_)));
        assert_eq!(changed("/result/resultType", Value::Null), PeerError::Version);
        assert!(matches!(changed("/result/structuredContent", Value::Null), PeerError::Malformed(_)));
        for cut in ["", "{", "[]", "null", "{}", &good.to_string()[..40]] {
            assert!(matches!(read(200, cut), Err(PeerError::Malformed(_))), "{cut}");
        }
        let typed: Result<mcp_contracts::guardrails::Verdict, _> =
            parse_reply(StatusCode::OK, None, good.to_string().as_bytes(), 7);
        assert!(matches!(typed, Err(PeerError::Malformed(_))));
    }

    #[test]
    fn statuses_and_errors_keep_their_meaning() {
        let wait = Some(Duration::from_secs(2));
        assert_eq!(read(503, "").unwrap_err(), PeerError::Busy { retry_after: wait });
        assert_eq!(read(429, "x").unwrap_err(), PeerError::Quota { retry_after: wait });
        assert_eq!(read(500, "{}").unwrap_err(), PeerError::Status(500));
        assert_eq!(read(403, "{}").unwrap_err(), PeerError::Denied(403));
        let error = |code: i64| json!({"jsonrpc": "2.0", "id": 7, "error": {"code": code, "message": "m"}}).to_string();
        assert_eq!(read(400, &error(rpc::UNSUPPORTED_VERSION)).unwrap_err(), PeerError::Version);
        assert_eq!(read(200, &error(rpc::INVALID_PARAMS)).unwrap_err(), PeerError::Rpc(rpc::INVALID_PARAMS));
        assert!(matches!(read(404, "<html>").unwrap_err(), PeerError::Malformed(_)));
        let tool = |code: &str| {
            let text = json!({"code": code, "message": "m", "retryable": false}).to_string();
            let result =
                json!({"resultType": "complete", "isError": true, "content": [{"type": "text", "text": text}]});
            read(200, &json!({"jsonrpc": "2.0", "id": 7, "result": result}).to_string()).unwrap_err()
        };
        assert!(matches!(tool("not_found"), PeerError::Tool(ToolError { code: ErrorCode::NotFound, .. })));
        assert!(matches!(tool("draining"), PeerError::Busy { .. }));
        assert!(matches!(tool("no_such_code"), PeerError::Malformed(_)));
    }

    #[test]
    fn a_request_names_its_revision_in_its_body() {
        let body: Value = serde_json::from_slice(&encode_request(3, "t", &json!({"x": 1})).unwrap()).unwrap();
        assert_eq!(body["id"], 3);
        assert_eq!(body["params"]["arguments"]["x"], 1);
        assert_eq!(body["params"]["_meta"][headers::META_PROTOCOL_VERSION], PROTOCOL_MODERN);
        assert!(body["params"]["_meta"][headers::META_CLIENT_CAPABILITIES].is_object());
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), status in 100u16..600) {
            let _ = parse_reply::<Value>(StatusCode::from_u16(status).unwrap(), None, &body, 1);
        }
    }
}
