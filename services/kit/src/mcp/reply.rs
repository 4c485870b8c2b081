//! Replies: results, errors and their headers. The body is concatenated from parts that are JSON already, which saves parsing them.

use super::era::Era;
use super::failure::Failure;
use super::{Body, full};
use crate::elicitation::ToolOutcome;
use crate::quota::QuotaState;
use crate::tool::ToolResult;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use mcp_contracts::{headers, rpc};
use serde_json::value::RawValue;

/// Returns a JSON-RPC error without an id.
pub(super) fn reply_error(status: StatusCode, code: i64, message: &str) -> Response<Body> {
    Failure::new(status, code, message).into_response()
}

/// Returns 202, the response to every notification.
pub(super) fn accepted() -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// Returns 429 with the state of the quota.
pub(super) fn limited(state: &QuotaState) -> Failure {
    let text = format!(
        "the quota of the organisation is used up: {} calls {}; retry after {} s",
        state.limit, state.window, state.reset_secs
    );
    let failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, rpc::QUOTA_EXCEEDED, text)
        .with_data(serde_json::json!({ "code": "quota_exceeded", "retryable": true, "limit": state.limit }))
        .with_header(header::RETRY_AFTER, &state.reset_secs.max(1).to_string());
    let mut headers = HeaderMap::new();
    quota_headers(&mut headers, state);
    failure.with_headers(headers)
}

/// Sets the headers of an admitted call: the remaining quota and the execution id.
pub(super) fn set_call_headers(headers: &mut HeaderMap, state: &QuotaState, execution_id: &str) {
    quota_headers(headers, state);
    if let Ok(value) = HeaderValue::from_str(execution_id) {
        headers.insert(headers::EXECUTION_ID, value);
    }
}

pub(super) fn quota_headers(headers: &mut HeaderMap, state: &QuotaState) {
    headers.insert(headers::RATELIMIT_LIMIT, HeaderValue::from(state.limit));
    headers.insert(headers::RATELIMIT_REMAINING, HeaderValue::from(state.remaining));
    headers.insert(headers::RATELIMIT_RESET, HeaderValue::from(state.reset_secs));
    headers.insert(headers::RATELIMIT_MODE, HeaderValue::from_static(state.mode.name()));
}

/// Builds the reply to a tool call. A text block repeats the structured content, because several hosts read only text. An error has only
/// the text, because clients check structured content against the output schema of the tool.
pub(super) fn result(id: Option<&RawValue>, result: &ToolResult, era: Era) -> Bytes {
    let id = id.map_or("null", RawValue::get);
    // Revision 2026-07-28 requires `resultType`; older ones do not have it.
    let result_type = match era {
        Era::Modern => r#""resultType":"complete","#,
        Era::Legacy => "",
    };
    let error;
    let (json, failed) = match result {
        Ok(ToolOutcome::InputRequired(question)) => {
            let fields = serde_json::Value::Object(question.fields());
            return Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{fields}}}"#));
        }
        Ok(ToolOutcome::Complete(json)) => (json.get(), false),
        Err(tool_error) => {
            error = serde_json::to_string(tool_error).unwrap_or_else(|_| "{}".to_owned());
            (error.as_str(), true)
        }
    };
    // The JSON appears twice; its copy in the text block has escaped quotes, about a quarter more.
    let mut out = Vec::with_capacity(json.len() * 2 + json.len() / 4 + 160);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","result":{"#);
    out.extend_from_slice(result_type.as_bytes());
    out.extend_from_slice(br#""content":[{"type":"text","text":"#);
    // A string into a vector: neither can fail.
    serde_json::to_writer(&mut out, json).unwrap_or_default();
    out.extend_from_slice(b"}]");
    if failed {
        out.extend_from_slice(br#","isError":true}}"#);
    } else {
        out.extend_from_slice(br#","structuredContent":"#);
        out.extend_from_slice(json.as_bytes());
        out.extend_from_slice(br#","isError":false}}"#);
    }
    Bytes::from(out)
}
