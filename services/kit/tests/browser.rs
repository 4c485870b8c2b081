//! A web page in a real browser: at an accepted origin it lists and calls tools, at a foreign one it reads nothing.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use base64::Engine;
use mcp_contracts::{Scope, Service, env};
use mcp_kit::{Annotations, CallContext, Start, Tool, ToolInfo, ToolSet};
use mcp_testkit::{Caller, Server};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

const PAGE: &str = include_str!("support/page.html");
/// Names of the browser in different distributions.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Seconds after which a browser that hangs is killed.
const DEADLINE_SECS: &str = "90";

#[derive(Deserialize, Serialize, JsonSchema)]
struct Echo {
    text: String,
}

fn tools() -> ToolSet {
    let info = ToolInfo {
        name: "echo",
        title: "Echo",
        description: "Returns its arguments.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true },
        scopes: &[Scope::MemoryRead],
    };
    ToolSet::new(vec![Tool::new(info, |_: CallContext, echo: Echo| async move { Ok(echo) })])
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let candidates = std::env::split_paths(&path).flat_map(|folder| PROGRAMS.map(|name| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file()).expect("a browser is installed: .ci/need chromium chromium")
}

/// Serves a page and opens it as `http://<host>`. Returns what its script has seen.
async fn open(server: &Server, host: &str) -> Value {
    let settings = json!({ "base": server.base, "token": server.caller.token() });
    let html = PAGE.replace("SETTINGS", &settings.to_string());
    let page = move || async move { axum::response::Html(html) };
    let app = axum::Router::new().route("/", axum::routing::get(page));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends the page when the browser has gone.
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, app).await });
    // The origin has no port if the browser maps the host to another one.
    let (origin, rule) = (format!("http://{host}/"), format!("MAP {host}:80 127.0.0.1:{port}"));
    tokio::task::spawn_blocking(move || dump(&origin, &rule)).await.unwrap()
}

fn dump(origin: &str, rule: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.arg(DEADLINE_SECS).arg(program());
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions"]);
    command.args(["--no-first-run", "--disable-background-networking", "--enable-logging=stderr", "--no-proxy-server"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    command.arg(format!("--host-resolver-rules={rule}"));
    command.args(["--virtual-time-budget=20000", "--dump-dom"]).arg(origin);
    let output = command.output().unwrap();
    let (dom, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let seen = dom.split_once("seen:").and_then(|(_, rest)| rest.split_once(':')).map(|(seen, _)| seen.to_owned());
    let seen = seen.unwrap_or_else(|| panic!("the script did not end: {dom}\n{stderr}"));
    serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(seen).unwrap()).unwrap()
}

#[tokio::test]
async fn a_page_of_an_accepted_origin_lists_and_calls_tools_and_a_foreign_one_does_not() {
    let caller = Caller::new("acme", &[Scope::MemoryRead]);
    let settings = [
        (env::ALLOWED_ORIGINS, "http://app.example.com"),
        (env::QUOTA_ENTERPRISE_DAILY, "5000"),
        (env::QUOTA_BURST_PER_SECOND, "100000"),
    ];
    let server = Server::start(Service::Memory, &settings, caller, async |_: Start| tools().into()).await;
    let seen = open(&server, "app.example.com").await;
    assert_eq!(seen["error"], Value::Null, "{seen}");
    assert_eq!((&seen["tools"], &seen["text"]), (&json!(["echo"]), &json!("from a page")));
    assert_eq!((&seen["remaining"], &seen["execution"]), (&json!("4999"), &json!(true)));
    assert_eq!(seen["refused"], 401);
    assert!(seen["challenge"].as_str().unwrap().contains("resource_metadata"), "{seen}");
    assert_eq!((&seen["resource"], &seen["ready"]), (&json!(format!("{}/mcp", server.base)), &json!(true)));
    // No page needs the metrics.
    assert_eq!(seen["metrics"], "not read");
    let foreign = open(&server, "evil.example").await;
    assert!(foreign["error"].as_str().unwrap().contains("Failed to fetch"), "{foreign}");
}
