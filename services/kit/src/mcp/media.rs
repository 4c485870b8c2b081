//! Media types: a request is JSON; a response is JSON, or an event stream if the client accepts nothing else.

use super::failure::Failure;
use super::{Body, full};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use mcp_contracts::rpc;

/// Format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    Json,
    /// Server-sent events: one `message` with the JSON document.
    Events,
}

/// Checks `Content-Type` and chooses the format from `Accept`.
pub(super) fn response_format(headers: &HeaderMap) -> Result<ResponseFormat, Failure> {
    let content = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !essence(content).eq_ignore_ascii_case("application/json") {
        let text = "the body must be `Content-Type: application/json`";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, rpc::BAD_HTTP, text));
    }
    let (mut has_accept, mut json, mut events) = (false, false, false);
    for value in headers.get_all(header::ACCEPT) {
        for item in value.to_str().unwrap_or_default().split(',') {
            has_accept = true;
            // Weights other than 0 are ignored: JSON is chosen whenever it is accepted. Clients of MCP must accept
            // both.
            let accepted = !item
                .split(';')
                .skip(1)
                .any(|parameter| matches!(parameter.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let name = essence(item).to_ascii_lowercase();
            json |= accepted && matches!(name.as_str(), "application/json" | "application/*" | "*/*");
            events |= accepted && matches!(name.as_str(), "text/event-stream" | "text/*" | "*/*");
        }
    }
    match (has_accept, json, events) {
        (false, _, _) | (_, true, _) => Ok(ResponseFormat::Json),
        (true, false, true) => Ok(ResponseFormat::Events),
        (true, false, false) => Err(Failure::new(
            StatusCode::NOT_ACCEPTABLE,
            rpc::BAD_HTTP,
            "the response is `application/json` or `text/event-stream`; accept at least one of them",
        )),
    }
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

impl ResponseFormat {
    /// Returns a JSON document as the body of a response.
    pub(super) fn frame(self, document: Bytes) -> Bytes {
        match self {
            Self::Json => document,
            Self::Events => {
                let mut event = Vec::with_capacity(document.len() + 32);
                event.extend_from_slice(b"event: message\ndata: ");
                event.extend_from_slice(&document);
                event.extend_from_slice(b"\n\n");
                event.into()
            }
        }
    }

    /// Builds the response with a body of [`Self::frame`].
    pub(super) fn response(self, body: Bytes) -> Response<Body> {
        let mut response = Response::new(full(body));
        let headers = response.headers_mut();
        // Replies depend on the token, which a shared cache does not compare.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Json => drop(headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))),
            Self::Events => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
                // MCP asks for it (streamable HTTP), because nginx would otherwise buffer the stream.
                headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            }
        }
        response
    }
}
