//! The service of the tests, served in this process over a socket, and its callers.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{EncodingKey, Header, encode};
use mcp_contracts::guardrails::{VERDICT_AUDIENCE, VerdictClaims, VerdictKind};
use mcp_contracts::{Service, env};
use mcp_kit::run::assemble;
use mcp_kit::serve::{ServeLimits, serve};
use mcp_kit::telemetry::Telemetry;
use mcp_kit::{Readiness, Settings, Start, Verdicts};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const SECRET: &str = "guard-test-key-guard-test-key-guard-test-key";

/// A running service, and who calls it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) verdicts: Verdicts,
    base: String,
    client: reqwest::Client,
    organisation: &'static str,
    user: &'static str,
    scopes: &'static [&'static str],
    _serving: Arc<JoinSet<bool>>,
}

impl Server {
    pub(crate) async fn start(values: &[(&str, &str)]) -> Self {
        let mut all = BTreeMap::from([(env::JWT_SECRET.to_owned(), SECRET.to_owned())]);
        all.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = Arc::new(Settings::from_values(Service::Guardrails, &all).unwrap());
        let readiness = Readiness::default();
        let (telemetry, guard) = Telemetry::start(&settings);
        std::mem::forget(guard);
        let given = Start::new(Arc::clone(&settings), readiness.clone());
        let (quota, verdicts) = (given.quota.clone(), given.verdicts.clone());
        let (offer, _) = mcp_guardrails::start(given).await.unwrap().into_parts();
        let app = assemble(&settings, offer, quota, telemetry, readiness);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let limits = ServeLimits { header_read: settings.header_read_deadline, drain: settings.drain_deadline };
        let mut serving = JoinSet::new();
        serving.spawn(async move { serve(app, listener, limits, std::future::pending::<()>()).await });
        Self {
            verdicts,
            base,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            organisation: "acme",
            user: "ann",
            scopes: &["guardrails.validate"],
            _serving: Arc::new(serving),
        }
    }

    /// The same service, called by another organisation.
    pub(crate) fn of(&self, organisation: &'static str) -> Self {
        Self { organisation, ..self.clone() }
    }

    /// The same service, called by another user.
    pub(crate) fn by(&self, user: &'static str) -> Self {
        Self { user, ..self.clone() }
    }

    pub(crate) fn without_scope(&self) -> Self {
        Self { scopes: &["memory.read"], ..self.clone() }
    }

    fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/mcp", self.base)).header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream").body(body.to_string());
        let claims = json!({ "sub": self.user, "orgId": self.organisation, "plan": "enterprise", "scopes": self.scopes,
            "iat": now(), "exp": now() + 600, "aud": "mcp" });
        request.bearer_auth(encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap())
    }

    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.post(&body).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn send(&self, tool: &str, arguments: Value) -> reqwest::Response {
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        self.post(&body).send().await.unwrap()
    }

    /// A call as clients of the older era make it.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.send(tool, arguments).await.json().await.unwrap()
    }

    /// The structured content of a call that succeeds.
    pub(crate) async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let reply = self.call(tool, arguments).await;
        assert_eq!(reply["result"]["isError"], false, "{reply}");
        reply["result"]["structuredContent"].clone()
    }

    /// A call as clients of the newer era make it, with what such a client brings along.
    pub(crate) async fn modern(&self, tool: &str, arguments: Value, more: Value) -> Value {
        let mut params = more;
        params["name"] = json!(tool);
        params["arguments"] = arguments;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let request = self.post(&body).header("mcp-protocol-version", "2026-07-28");
        let request = request.header("mcp-method", "tools/call").header("mcp-name", tool);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A resource, read as JSON.
    pub(crate) async fn document(&self, uri: &str) -> Value {
        let reply = self.rpc("resources/read", json!({ "uri": uri })).await;
        let text = reply["result"]["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{reply}"));
        serde_json::from_str(text).unwrap()
    }

    pub(crate) async fn metrics(&self) -> String {
        self.client.get(format!("{}/metrics", self.base)).send().await.unwrap().text().await.unwrap()
    }

    /// A token of a check long ago, signed with the service's own key.
    pub(crate) fn expired(&self, execution_id: &str, request_hash: &str) -> String {
        let claims = VerdictClaims {
            kind: VerdictKind::Acknowledge,
            org_id: self.organisation.to_owned(),
            sub: self.user.to_owned(),
            execution_id: execution_id.to_owned(),
            request_hash: request_hash.to_owned(),
            rules_version: String::new(),
            rules: Vec::new(),
            exp: now() - 1,
            iat: now() - 121,
            jti: "late".to_owned(),
            aud: VERDICT_AUDIENCE.to_owned(),
        };
        let mut key = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        key.update(b"mcp verdict token 1");
        encode(&Header::default(), &claims, &EncodingKey::from_secret(&key.finalize().into_bytes())).unwrap()
    }
}

/// The error of a call that was refused by its tool.
pub(crate) fn error(reply: &Value) -> Value {
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    serde_json::from_str(reply["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
