//! A request as a probe sends it: a valid one to begin with, in which the probe changes what it tests.

use super::curl::curl;
use crate::drive::client::{Endpoint, request_meta};
use mcp_contracts::headers;
use mcp_contracts::service::PROTOCOL_MODERN;
use serde_json::{Value, json};

/// One HTTP request. `host` and `content-length` are added when it is sent, unless it has them already.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    method: String,
    /// Path and query; `None` is the path of the endpoint.
    target: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpRequest {
    /// Calls a method of MCP in the stateless revision, with the headers that repeat its method and name.
    pub fn rpc(method: &str, mut params: Value) -> Self {
        params["_meta"] = request_meta();
        let name = params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = Self::post(body.to_string().into_bytes())
            .header(headers::MCP_PROTOCOL_VERSION, PROTOCOL_MODERN)
            .header(headers::MCP_METHOD, method);
        match name {
            Some(name) => request.header(headers::MCP_NAME, &name),
            None => request,
        }
    }

    /// Lists the tools, which needs a token but no scope, and costs no quota.
    pub fn tools_list() -> Self {
        Self::rpc("tools/list", json!({}))
    }

    pub fn tool(name: &str, arguments: &Value) -> Self {
        Self::rpc("tools/call", json!({ "name": name, "arguments": arguments }))
    }

    /// Posts a body of JSON without the headers of MCP.
    pub fn post(body: Vec<u8>) -> Self {
        let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        Self { method: "POST".to_owned(), target: None, headers: owned(&headers), body }
    }

    /// Sends a method of HTTP without a body.
    pub fn bare(method: &str, target: Option<&str>) -> Self {
        let headers = owned(&[("accept", "*/*")]);
        Self { method: method.to_owned(), target: target.map(str::to_owned), headers, body: Vec::new() }
    }

    #[must_use]
    pub fn with_method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// Sends it to another path, or in absolute form.
    #[must_use]
    pub fn at(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces a header.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// Adds a token. An empty one is that of a user of a server without tokens, and adds nothing.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        if token.is_empty() { self } else { self.with("authorization", &format!("Bearer {token}")) }
    }

    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Changes the body, which must be JSON.
    ///
    /// # Panics
    /// Panics if the body is not JSON.
    #[must_use]
    pub fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).expect("the body of a probe is JSON");
        change(&mut body);
        self.body = body.to_string().into_bytes();
        self
    }

    /// Empties the `_meta` of 2026-07-28, which contradicts the header of an older revision. Blanks keep the length, which a check of a limit counts.
    #[must_use]
    pub(super) fn without_meta(mut self) -> Self {
        let meta = request_meta().to_string();
        let empty = format!("{{{:blanks$}}}", "", blanks = meta.len() - 2);
        if let Some(at) = self.body.windows(meta.len()).position(|part| part == meta.as_bytes()) {
            self.body.splice(at..at + meta.len(), empty.into_bytes());
        }
        self
    }

    /// Gives the request an id of its own. The blanks that `without_meta` has left give way, so that the length stays.
    #[must_use]
    pub(super) fn with_id(mut self, id: u64) -> Self {
        const BUILT: &[u8] = b"\"id\":1,";
        let Some(at) = self.body.windows(BUILT.len()).position(|part| part == BUILT) else { return self };
        let fresh = format!("\"id\":{id},").into_bytes();
        let longer = fresh.len() - BUILT.len();
        self.body.splice(at..at + BUILT.len(), fresh);
        let blanks = [b"{".to_vec(), vec![b' '; longer]].concat();
        if let Some(at) = self.body.windows(blanks.len()).position(|part| part == blanks) {
            self.body.drain(at + 1..at + blanks.len());
        }
        self
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    fn has(&self, name: &str) -> bool {
        self.value_of(name).is_some()
    }

    /// Returns the first value of a header.
    pub(super) fn value_of(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the bytes to send to an endpoint.
    pub(super) fn bytes(&self, endpoint: &Endpoint) -> Vec<u8> {
        let target = self.target.as_deref().unwrap_or_else(|| endpoint.path());
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        let mut add = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if !self.has("host") {
            add("host", endpoint.authority());
        }
        self.headers.iter().for_each(|(name, value)| add(name, value));
        let framed = self.has("content-length") || self.has("transfer-encoding");
        if !framed && (!self.body.is_empty() || self.method != "GET") {
            add("content-length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Returns the command that repeats it.
    pub(super) fn curl(&self, endpoint: &Endpoint) -> Option<String> {
        let target = self.target.as_deref().unwrap_or_else(|| endpoint.path());
        curl(&self.method, endpoint.authority(), target, &self.headers, &self.body)
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
