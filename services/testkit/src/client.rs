//! An MCP client. Its requests are of the older revisions of the protocol; only [`Client::modern`] uses revision 2026-07-28.

use crate::Caller;
use mcp_contracts::Scope;
use serde_json::{Value, json};
use std::time::Duration;

/// Deadline of a request. It is long enough for a busy machine, and ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one service. It sends the token of one caller.
#[derive(Debug, Clone)]
pub struct Client {
    pub base: String,
    pub http: reqwest::Client,
    pub caller: Caller,
}

impl Client {
    pub fn new(base: impl Into<String>, caller: Caller) -> Self {
        // Otherwise the requests to loopback would go to a proxy that the environment names.
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        Self { base: base.into(), http, caller }
    }

    /// Returns a client of the same service for another caller.
    pub fn with(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// Returns a client of the same service for the same user of another organisation.
    pub fn of(&self, org: &str) -> Self {
        self.with(Caller { org: org.to_owned(), ..self.caller.clone() })
    }

    /// Returns a client of the same service for another user.
    pub fn by(&self, user: &str) -> Self {
        self.with(Caller { user: user.to_owned(), ..self.caller.clone() })
    }

    /// Returns a client of the same service whose token has only these scopes.
    pub fn with_scopes(&self, scopes: &[Scope]) -> Self {
        self.with(Caller { scopes: scopes.to_vec(), ..self.caller.clone() })
    }

    /// Builds a request with all headers that the protocol requires.
    pub fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}/mcp", self.base)).header("content-type", "application/json");
        request.header("accept", "application/json, text/event-stream").bearer_auth(self.caller.token()).body(body)
    }

    pub async fn request(&self, method: &str, params: Value) -> reqwest::Response {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        self.post(body.to_string()).send().await.unwrap()
    }

    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        self.request(method, params).await.json().await.unwrap()
    }

    /// Returns the JSON-RPC reply of `tools/call`.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.rpc("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Returns the structured content of a call, or the error of the tool.
    pub async fn result(&self, tool: &str, arguments: Value) -> Result<Value, Value> {
        let reply = self.call(tool, arguments).await;
        if reply["result"]["isError"] == true {
            return Err(error(&reply));
        }
        assert!(reply["result"]["structuredContent"].is_object(), "{reply}");
        Ok(reply["result"]["structuredContent"].clone())
    }

    /// Returns the structured content of a call that must succeed.
    pub async fn ok(&self, tool: &str, arguments: Value) -> Value {
        self.result(tool, arguments).await.unwrap_or_else(|error| panic!("`{tool}` failed: {error}"))
    }

    /// Calls a tool as a client of revision 2026-07-28 that can ask its user. `more` has further parameters of the call.
    pub async fn modern(&self, tool: &str, arguments: Value, more: Value) -> Value {
        let mut params = more;
        params["name"] = json!(tool);
        params["arguments"] = arguments;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let request = self.post(body.to_string()).header("mcp-protocol-version", "2026-07-28");
        let request = request.header("mcp-method", "tools/call").header("mcp-name", tool);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Returns the text of a resource, or the JSON-RPC error.
    pub async fn read(&self, uri: &str) -> Result<String, Value> {
        let reply = self.rpc("resources/read", json!({ "uri": uri })).await;
        reply["result"]["contents"][0]["text"].as_str().map(str::to_owned).ok_or_else(|| reply["error"].clone())
    }

    /// Returns the text of a page such as `/metrics`. Returns an empty text if the service does not answer, so that a test can poll a service
    /// that is starting.
    pub async fn page(&self, path: &str) -> String {
        match self.http.get(format!("{}{path}", self.base)).send().await {
            Ok(reply) => reply.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Returns the sum of all series whose name begins with `name` and that have all `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.page("/metrics").await;
        let series =
            text.lines().filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// Returns the error from the reply of a tool. Panics if the reply has no tool error.
pub fn error(reply: &Value) -> Value {
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    serde_json::from_str(reply["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
}
