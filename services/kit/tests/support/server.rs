//! A service of the tests, served in this process over a socket.

use jsonwebtoken::{EncodingKey, Header, encode};
use mcp_contracts::{Scope, Service, env};
use mcp_kit::quota::Quota;
use mcp_kit::run::assemble;
use mcp_kit::serve::{ServeLimits, serve};
use mcp_kit::telemetry::Telemetry;
use mcp_kit::{Offer, Readiness, Settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SECRET: &str = "wire-test-key-wire-test-key-wire-test-key";

pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<bool>,
    pub(crate) client: reqwest::Client,
}

impl Server {
    pub(crate) async fn start(offer: impl Into<Offer>, values: &[(&str, &str)]) -> Self {
        let mut settings = BTreeMap::from([(env::JWT_SECRET.to_owned(), SECRET.to_owned())]);
        settings.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = Settings::from_values(Service::Memory, &settings).unwrap();
        let readiness = Readiness::default();
        let (telemetry, guard) = Telemetry::start(&settings);
        std::mem::forget(guard);
        let quota = Quota::new(&settings, &readiness);
        let app = assemble(&settings, offer, quota, telemetry, readiness);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let limits = ServeLimits { header_read: settings.header_read_deadline, drain: settings.drain_deadline };
        let stopped = stop.clone();
        let serving = async move { serve(app, listener, limits, stopped.cancelled()).await };
        #[expect(clippy::disallowed_methods, reason = "awaited by `stop`")]
        let task = tokio::spawn(serving);
        Self { base, stop, task, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request =
            self.client.post(format!("{}/mcp", self.base)).header("content-type", "application/json").body(body);
        request.header("accept", "application/json, text/event-stream").bearer_auth(token(&[Scope::MemoryRead]))
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
        let reply = self.post(body.to_string()).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        reply.json().await.unwrap()
    }
}

pub(crate) fn token(scopes: &[Scope]) -> String {
    token_signed(scopes, SECRET)
}

pub(crate) fn token_signed(scopes: &[Scope], secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "sub": "ann", "orgId": "acme", "plan": "enterprise", "scopes": scopes, "iat": now, "exp": now + 600, "aud": "mcp" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}
