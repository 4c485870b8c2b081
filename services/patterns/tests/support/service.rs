//! The real service as a process of its own, calls to it by hand, and verdicts as the guardrails sign them.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{EncodingKey, Header, encode};
use mcp_contracts::guardrails::{ActionKind, ActionRequest, VerdictClaims, VerdictKind};
use mcp_contracts::{Plan, Service as Which, env};
use mcp_kit::verdict::{Binding, request_hash};
use mcp_kit::{Settings, Verdicts};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) const SECRET: &str = "patterns-test-key-patterns-test-key-0123";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Service {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Service {
    pub(crate) fn command(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-patterns"));
        command.env_clear().env(env::JWT_SECRET, SECRET).env(env::QUOTA_BURST_PER_SECOND, "1000000");
        command.env(env::QUOTA_FREE_DAILY, "1000000").env(env::LISTEN_ADDR, "127.0.0.1:0");
        command.env(env::DATABASE_URL, format!("sqlite://{}", folder.join("patterns.db").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(Self::command(folder)).await
    }

    pub(crate) async fn start_with(mut command: Command) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command.env(env::LISTEN_ADDR, format!("127.0.0.1:{port}")).spawn().unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        let service = Self { child, url: format!("http://127.0.0.1:{port}"), client };
        service.until("ready", async |service| service.page("/readyz").await.contains("\"ready\":true")).await;
        service
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        let since = Instant::now();
        while !condition(self).await {
            assert!(since.elapsed() < PATIENCE, "still not: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        match self.client.get(format!("{}{path}", self.url)).send().await {
            Ok(reply) => reply.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// The sum of a metric's series whose labels contain every one of `labels`.
    pub(crate) async fn counted(&self, metric: &str, labels: &[&str]) -> f64 {
        let text = self.page("/metrics").await;
        let series =
            text.lines().filter(|line| line.starts_with(metric) && labels.iter().all(|label| line.contains(label)));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub(crate) async fn request(&self, token: &str, method: &str, params: Value) -> (u16, Value) {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.client.post(format!("{}/mcp", self.url)).bearer_auth(token).body(body.to_string());
        let request =
            request.header("content-type", "application/json").header("accept", "application/json, text/event-stream");
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    /// The structured content, or the error of the tool.
    pub(crate) async fn call(&self, token: &str, tool: &str, arguments: Value) -> Result<Value, Value> {
        let (_, reply) = self.request(token, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
        let result = &reply["result"];
        if result["isError"] == true {
            return Err(serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap());
        }
        assert!(result["structuredContent"].is_object(), "{reply}");
        Ok(result["structuredContent"].clone())
    }

    /// The text of a resource, or the error.
    pub(crate) async fn read(&self, token: &str, uri: &str) -> Result<String, Value> {
        let (_, reply) = self.request(token, "resources/read", json!({ "uri": uri })).await;
        match reply["result"]["contents"][0]["text"].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(reply["error"].clone()),
        }
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(mut self) {
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.child.id().cast_signed()),
            nix::sys::signal::Signal::SIGTERM,
        )
        .unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn token(org: &str, plan: Plan) -> String {
    token_with(org, plan, &["patterns.select"])
}

pub(crate) fn token_with(org: &str, plan: Plan, scopes: &[&str]) -> String {
    let now = now();
    let claims = json!({ "sub": "ann", "orgId": org, "plan": plan, "role": "developer", "scopes": scopes, "iat": now, "exp": now + 600, "aud": "mcp" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

pub(crate) fn action() -> ActionRequest {
    ActionRequest {
        action: ActionKind::Edit,
        intent: "review a change".into(),
        files: vec!["src/a.rs".into()],
        text: None,
    }
}

/// A verdict as the guardrails sign it.
pub(crate) fn verdict(kind: VerdictKind, org: &str, execution: &str, request: &ActionRequest) -> String {
    signed_by(SECRET).issue(kind, binding(org, execution, request)).unwrap().token
}

pub(crate) fn signed_by(secret: &str) -> Verdicts {
    let values = BTreeMap::from([(env::JWT_SECRET.to_owned(), secret.to_owned())]);
    Verdicts::new(&Settings::from_values(Which::Guardrails, &values).unwrap())
}

pub(crate) fn binding(org: &str, execution: &str, request: &ActionRequest) -> Binding {
    Binding {
        org_id: org.into(),
        sub: "ann".into(),
        execution_id: execution.into(),
        request_hash: request_hash(request),
        rules_version: "r1".into(),
        rules: Vec::new(),
    }
}

/// A verdict whose time is over, signed with the right key.
pub(crate) fn expired(org: &str, execution: &str, request: &ActionRequest) -> String {
    let fresh = signed_by(SECRET).issue(VerdictKind::Allow, binding(org, execution, request)).unwrap().claims;
    let late = VerdictClaims { iat: now() - 300, exp: now() - 10, ..fresh };
    let mut key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    key.update(b"mcp verdict token 1");
    encode(&Header::default(), &late, &EncodingKey::from_secret(&key.finalize().into_bytes())).unwrap()
}
