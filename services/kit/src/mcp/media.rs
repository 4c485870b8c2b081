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

/// Checks that the body is JSON in UTF-8 and not compressed.
pub(super) fn check_body(headers: &HeaderMap) -> Result<(), Failure> {
    let unsupported = |text| Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, rpc::BAD_HTTP, text);
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut encodings = encodings.flat_map(|value| value.to_str().unwrap_or("unreadable").split(',')).map(str::trim);
    // Not decompressed: a small body could become a large one, and a request has at most 1 MiB anyway.
    if let Some(name) = encodings.find(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")) {
        let name: String = name.chars().take(32).collect();
        let text = format!("`Content-Encoding: {name}` is not supported; send the body uncompressed");
        // RFC 9110, section 12.5.3: the encodings that a further request may have.
        return Err(unsupported(text).with_header(header::ACCEPT_ENCODING, "identity"));
    }
    let content = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !essence(content).eq_ignore_ascii_case("application/json") {
        return Err(unsupported("the body must be `Content-Type: application/json`".to_owned()));
    }
    let charset = content.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset =
        charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, value)| value.trim());
    for charset in charset.map(|value| value.trim_matches('"').to_ascii_lowercase()) {
        // ASCII is a part of UTF-8.
        if !matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii") {
            let charset: String = charset.chars().take(32).collect();
            return Err(unsupported(format!("the body must be UTF-8, not `{charset}`")));
        }
    }
    Ok(())
}

/// Chooses the format of the response from `Accept`.
pub(super) fn response_format(headers: &HeaderMap) -> Result<ResponseFormat, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_cannot_be_read_is_refused_by_name() {
        let cases = [
            (&[("content-type", "application/json")][..], None),
            (&[("content-type", "Application/JSON; charset=\"UTF-8\"")], None),
            (&[("content-type", "application/json"), ("content-encoding", "identity")], None),
            (&[("content-type", "application/json"), ("content-encoding", "identity, GZIP")], Some("GZIP")),
            (&[("content-type", "application/json"), ("content-encoding", "br")], Some("br")),
            (&[("content-type", "application/json; charset=utf-16")], Some("utf-16")),
            (&[("content-type", "text/plain")], Some("application/json")),
            (&[], Some("application/json")),
        ];
        for (pairs, named) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            match (check_body(&headers), named) {
                (Ok(()), None) => {}
                (Err(failure), Some(name)) => assert!(failure.message().contains(name), "{pairs:?}: {failure:?}"),
                (result, _) => panic!("{pairs:?}: {result:?}"),
            }
        }
    }
}
