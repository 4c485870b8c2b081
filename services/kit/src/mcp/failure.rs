//! The response to a request that fails before a tool runs: HTTP status, JSON-RPC error and headers.

use super::{Body, full};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use mcp_contracts::rpc;
use serde_json::value::RawValue;

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

    /// Creates a failure with status 503 and `Retry-After` in seconds.
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

    pub(super) fn with_headers(mut self, headers: http::HeaderMap) -> Self {
        self.headers.extend(headers.into_iter().filter_map(|(name, value)| name.map(|name| (name, value))));
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

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref().map(RawValue::get)
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = data;
        }
        // JSON-RPC requires the id null if the id of the request is unknown (section 5).
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
