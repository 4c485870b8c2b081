//! Replies: results, errors, and the headers that go with them. JSON is put together from parts that are JSON already.

use super::era::Era;
use super::{Body, full};
use crate::quota::QuotaState;
use crate::tool::ToolResult;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use mcp_contracts::{headers, rpc};
use serde_json::value::RawValue;

/// A request that ends before any tool ran.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: i64,
    message: String,
    data: Option<serde_json::Value>,
    id: Option<Box<RawValue>>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: i64, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), data: None, id: None, headers: Vec::new() }
    }

    /// 503 with `Retry-After` in seconds.
    pub(super) fn unavailable(message: &str, retry_after: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, rpc::UNAVAILABLE, message)
            .with_header(header::RETRY_AFTER, &retry_after.to_string())
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    pub(super) fn with_id(mut self, id: Option<&RawValue>) -> Self {
        self.id = id.map(ToOwned::to_owned);
        self
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> i64 {
        self.code
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = data;
        }
        let id = self.id.as_ref().map_or("null", |id| id.get());
        let mut response = Response::new(full(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

/// Answers with a bare JSON-RPC error.
pub(super) fn reply_error(status: StatusCode, code: i64, message: &str) -> Response<Body> {
    Failure::new(status, code, message).into_response()
}

/// 202: the answer to every notification.
pub(super) fn accepted() -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// 429 with the state of the quota.
pub(super) fn limited(state: &QuotaState) -> Failure {
    let text = format!(
        "the quota of the organisation is used up: {} calls {}; retry after {} s",
        state.limit, state.window, state.reset_secs
    );
    let mut failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, rpc::QUOTA_EXCEEDED, text)
        .with_data(serde_json::json!({ "code": "quota_exceeded", "retryable": true, "limit": state.limit }))
        .with_header(header::RETRY_AFTER, &state.reset_secs.max(1).to_string());
    let mut headers = HeaderMap::new();
    quota_headers(&mut headers, state);
    failure.headers.extend(headers.into_iter().filter_map(|(name, value)| name.map(|name| (name, value))));
    failure
}

/// `RateLimit-*` fields of a reply.
pub(super) fn quota_headers(headers: &mut HeaderMap, state: &QuotaState) {
    headers.insert(headers::RATELIMIT_LIMIT, HeaderValue::from(state.limit));
    headers.insert(headers::RATELIMIT_REMAINING, HeaderValue::from(state.remaining));
    headers.insert(headers::RATELIMIT_RESET, HeaderValue::from(state.reset_secs));
    headers.insert(headers::RATELIMIT_MODE, HeaderValue::from_static(state.mode.name()));
}

/// The reply to a tool call. Structured content comes with the same JSON in a text block, since several hosts read only
/// text; an error has the text alone, since clients hold structured content to the tool's output schema.
pub(super) fn result(id: Option<&RawValue>, result: &ToolResult, era: Era) -> Bytes {
    let id = id.map_or("null", RawValue::get);
    let resultant = match era {
        Era::Modern => r#""resultType":"complete","#,
        Era::Legacy => "",
    };
    let error;
    let (json, failed) = match result {
        Ok(json) => (json.get(), false),
        Err(tool_error) => {
            error = serde_json::to_string(tool_error).unwrap_or_else(|_| "{}".to_owned());
            (error.as_str(), true)
        }
    };
    let mut out = Vec::with_capacity(json.len() * 2 + json.len() / 4 + 160);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","result":{"#);
    out.extend_from_slice(resultant.as_bytes());
    out.extend_from_slice(br#""content":[{"type":"text","text":"#);
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
