//! Runs the service as a process and calls its tools over HTTP.

use jsonwebtoken::{EncodingKey, Header, encode};
use mcp_contracts::env;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SECRET: &str = "durability-test-key-durability-test-key";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Service {
    pub(crate) fn command(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-memory"));
        command.env_clear().env(env::JWT_SECRET, SECRET).env(env::DATABASE_URL, url_of(folder));
        command.env(env::QUOTA_ENTERPRISE_DAILY, "1000000000").env(env::QUOTA_BURST_PER_SECOND, "1000000");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(Self::command(folder)).await
    }

    pub(crate) async fn start_with(mut command: Command) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command.env(env::LISTEN_ADDR, format!("127.0.0.1:{port}")).spawn().unwrap();
        let service = Self { child, url: format!("http://127.0.0.1:{port}") };
        let since = Instant::now();
        while !client()
            .get(format!("{}/readyz", service.url))
            .send()
            .await
            .is_ok_and(|reply| reply.status().is_success())
        {
            assert!(since.elapsed() < PATIENCE, "the service did not become ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        service
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// File in the folder of a test with the URL of its database, if that is on a server.
pub(crate) const URL_FILE: &str = "database-url";

fn url_of(folder: &Path) -> String {
    let on_server = std::fs::read_to_string(folder.join(URL_FILE));
    on_server.unwrap_or_else(|_| format!("sqlite://{}", database(folder).display()))
}

pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("memory.db")
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

pub(crate) fn token() -> String {
    token_of("acme", "ann", "default")
}

pub(crate) fn token_of(org: &str, user: &str, workspace: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let scopes = ["memory.read", "memory.write", "memory.delete"];
    let claims = json!({ "sub": user, "orgId": org, "workspaceSlug": workspace, "plan": "enterprise", "scopes": scopes, "iat": now, "exp": now + 3_000, "aud": "mcp" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// Returns the structured content or the error of the tool, or `None` if no complete reply arrives.
pub(crate) async fn call(
    client: &reqwest::Client,
    url: &str,
    token: &str,
    tool: &str,
    arguments: Value,
) -> Option<Result<Value, Value>> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
    let request = client.post(format!("{url}/mcp")).bearer_auth(token).header("content-type", "application/json");
    let reply: Value = request.body(body.to_string()).send().await.ok()?.json().await.ok()?;
    let result = &reply["result"];
    if result["isError"] == true {
        return Some(Err(serde_json::from_str(result["content"][0]["text"].as_str()?).ok()?));
    }
    Some(Ok(result["structuredContent"].clone()))
}

pub(crate) async fn store(client: &reqwest::Client, url: &str, token: &str, content: &str) -> String {
    let stored = call(client, url, token, "store_memory", json!({ "content": content })).await.unwrap().unwrap();
    stored["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn content_of(client: &reqwest::Client, url: &str, token: &str, id: &str) -> Option<String> {
    let reply = call(client, url, token, "get_memory", json!({ "id": id })).await.unwrap();
    reply.ok().map(|memory| memory["content"].as_str().unwrap().to_owned())
}
