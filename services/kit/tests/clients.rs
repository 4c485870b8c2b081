//! What clients send besides the requests of a textbook: every one gets its reply or a clear refusal, in both eras, whether the fast path or the
//! SDK makes the reply.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::{Scope, Service, env};
use mcp_kit::{Annotations, CallContext, Start, Tool, ToolInfo, ToolSet};
use mcp_testkit::{Caller, Server};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

#[derive(Deserialize, Serialize, JsonSchema)]
struct Empty {}

async fn start() -> Server {
    start_with(&[]).await
}

async fn start_with(settings: &[(&str, &str)]) -> Server {
    let info = ToolInfo {
        name: "nothing",
        title: "Nothing",
        description: "Does nothing.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true },
        scopes: &[],
    };
    let tools = ToolSet::new(vec![Tool::new(info, |_: CallContext, empty: Empty| async move { Ok(empty) })]);
    Server::start(Service::Memory, settings, Caller::new("acme", &[Scope::MemoryRead]), async |_: Start| tools.into())
        .await
}

const MODERN_META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"t","version":"0"}}"#;

/// Sends a request with these fields of `params`, in the newer or an older era.
fn request(server: &Server, method: &str, id: &str, params: &str, modern: bool) -> reqwest::RequestBuilder {
    let joint = if params.is_empty() { "" } else { "," };
    let params = if modern { format!("{params}{joint}{MODERN_META}") } else { params.to_owned() };
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}}}}}"#);
    let mut request = server.post(body);
    if modern {
        request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        if let Some(name) = serde_json::from_str::<Value>(&format!("{{{params}}}")).unwrap()["name"].as_str() {
            request = request.header("mcp-name", name.to_owned());
        }
    }
    request
}

#[tokio::test]
async fn every_id_comes_back_as_it_was_written() {
    let server = start().await;
    let long = format!("\"{}\"", "x".repeat(2_000));
    let ids = ["0", "-1", "9007199254740993", "18446744073709551615", "-170141183460469231731687303715884105728"];
    let texts = ["\"\"", r#""a\"b\\c \u00e9""#, r#""\ud83d\ude00""#, long.as_str()];
    let methods = [
        ("tools/call", r#""name":"nothing","arguments":{}"#),
        ("tools/call", r#""name":"none""#),
        ("tools/list", ""),
        ("server/discover", ""),
        ("no/such", ""),
    ];
    for id in ids.into_iter().chain(texts) {
        for (method, params) in methods {
            for (modern, accept) in
                [(false, "application/json"), (true, "application/json"), (true, "text/event-stream")]
            {
                let request = request(&server, method, id, params, modern).header("accept", accept);
                let reply = request.send().await.unwrap().text().await.unwrap();
                assert!(reply.contains(&format!("\"id\":{id},")), "{method}, {accept}, {id}: {reply}");
            }
        }
    }
}

#[tokio::test]
async fn a_service_answers_only_the_methods_that_it_declares() {
    let server = start().await;
    let undeclared = [
        ("prompts/list", ""),
        ("prompts/get", r#""name":"a""#),
        ("resources/list", ""),
        ("resources/templates/list", ""),
        ("logging/setLevel", r#""level":"info""#),
        ("no/such", ""),
    ];
    for modern in [false, true] {
        for (method, params) in undeclared {
            let reply = request(&server, method, "1", params, modern).send().await.unwrap();
            assert_eq!(reply.status(), if modern { 404 } else { 200 }, "{method}");
            let body: Value = reply.json().await.unwrap();
            assert_eq!(body["error"]["code"], -32601, "{method}: {body}");
        }
        // A method that it has, with parameters of the wrong form, is not an unknown method.
        let reply: Value =
            request(&server, "tools/list", "1", r#""cursor":[5]"#, modern).send().await.unwrap().json().await.unwrap();
        assert_eq!(reply["error"]["code"], -32602, "{reply}");
    }
    let initialize = request(&server, "initialize", "1", r#""protocolVersion":5"#, false).send().await.unwrap();
    assert_eq!(initialize.json::<Value>().await.unwrap()["error"]["code"], -32602);
    // Legacy clients send `null` for parameters that they do not have.
    let reply = server.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}"#).send().await.unwrap();
    assert!(reply.json::<Value>().await.unwrap()["result"]["tools"].is_array());
}

#[tokio::test]
async fn a_header_that_contradicts_the_body_is_reported_before_the_revision() {
    let server = start().await;
    let list = |version: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{MODERN_META}}}}}"#);
        server.post(body.replace("2026-07-28", version)).header("mcp-method", "tools/list")
    };
    for (body, header, code) in [
        ("2026-07-28", "2031-01-01", -32020),
        ("2031-01-01", "2026-07-28", -32020),
        ("2031-01-01", "2031-01-01", -32022),
    ] {
        let reply = list(body).header("mcp-protocol-version", header).send().await.unwrap();
        assert_eq!(reply.status(), 400);
        assert_eq!(reply.json::<Value>().await.unwrap()["error"]["code"], code, "{body} {header}");
    }
    let twice =
        list("2026-07-28").header("mcp-protocol-version", "2026-07-28").header("mcp-protocol-version", "2025-11-25");
    assert_eq!(twice.send().await.unwrap().json::<Value>().await.unwrap()["error"]["code"], -32020);
}

#[tokio::test]
async fn a_compressed_body_is_refused_by_the_name_of_its_encoding() {
    let server = start().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for encoding in ["gzip", "br", "deflate", "zstd"] {
        let reply = server.post(vec![0x1f, 0x8b, 8, 0]).header("content-encoding", encoding).send().await.unwrap();
        assert_eq!((reply.status().as_u16(), &reply.headers()["accept-encoding"]), (415, &"identity".parse().unwrap()));
        let text = reply.text().await.unwrap();
        assert!(text.contains(&format!("Content-Encoding: {encoding}")), "{text}");
    }
    assert_eq!(server.post(ping).header("content-encoding", "identity").send().await.unwrap().status(), 200);
    // A byte order mark is no reason to refuse a body, and another charset is.
    assert_eq!(server.post(format!("\u{feff}{ping}")).send().await.unwrap().status(), 200);
    let request = server.http.post(format!("{}/mcp", server.base)).bearer_auth(server.caller.token());
    let reply = request.header("content-type", "application/json; charset=utf-16").body(ping).send().await.unwrap();
    assert_eq!(reply.status(), 415);
    assert!(reply.text().await.unwrap().contains("utf-16"));
}

#[tokio::test]
async fn one_credential_and_one_host_are_one() {
    let server = start().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let twice = server.post(ping).header("authorization", "Bearer x");
    assert_eq!(twice.send().await.unwrap().status(), 401);
    let address = server.base.trim_start_matches("http://").to_owned();
    let head = format!("GET /mcp HTTP/1.1\r\nhost: {address}\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let reply = tokio::task::spawn_blocking(move || exchange(&address, head.as_bytes(), 0)).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");
}

#[tokio::test]
async fn the_endpoint_answers_with_a_slash_at_its_end() {
    let server = start().await;
    for path in ["/mcp", "/mcp/", "/mcp/memory", "/mcp/memory/"] {
        let request = server.http.post(format!("{}{path}", server.base)).header("content-type", "application/json");
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let reply = request.bearer_auth(server.caller.token()).body(body).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        let refused = server.http.post(format!("{}{path}", server.base)).send().await.unwrap();
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
        let document = challenge.split('"').nth(1).unwrap();
        assert_eq!(server.http.get(document).send().await.unwrap().status(), 200, "{document}");
    }
}

#[tokio::test]
async fn pages_of_the_operator_are_closed_to_foreign_names_and_origins() {
    let server = start_with(&[(env::METRICS_TOKEN, "scrape-me"), (env::ALLOWED_HOSTS, "mcp.example.com")]).await;
    let get =
        |path: &str, host: &str| server.http.get(format!("{}{path}", server.base)).header("host", host.to_owned());
    for path in ["/readyz", "/version"] {
        // A probe uses an address or a name of the cluster; only a name with a dot can be pointed to this machine by a stranger.
        for (host, status) in [
            ("10.1.2.3:7420", 200),
            ("[::1]:7420", 200),
            ("memory:7420", 200),
            ("mcp.example.com", 200),
            ("evil.example", 403),
        ] {
            assert_eq!(get(path, host).send().await.unwrap().status(), status, "{path} {host}");
        }
        let foreign = get(path, "localhost").header("origin", "http://evil.example");
        assert_eq!(foreign.send().await.unwrap().status(), 403, "{path}");
    }
    assert_eq!(get("/metrics", "evil.example").bearer_auth("scrape-me").send().await.unwrap().status(), 403);
    for (token, status) in [("scrape-me", 200), ("scrape-m", 401), ("", 401)] {
        assert_eq!(get("/metrics", "memory:7420").bearer_auth(token).send().await.unwrap().status(), status, "{token}");
    }
    assert_eq!(get("/metrics", "memory:7420").send().await.unwrap().status(), 401);
    // Liveness says nothing about the service, and a probe may have any name.
    assert_eq!(get("/healthz", "evil.example").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_challenge_names_a_document_that_exists_where_the_client_is() {
    // The address that the service listens on is no address for a client.
    let server = start_with(&[(env::LISTEN_ADDR, "0.0.0.0:7420"), (env::ALLOWED_HOSTS, "mcp.example.com")]).await;
    let call = |token: Option<&str>| {
        let request = server.http.post(format!("{}/mcp", server.base)).header("host", "mcp.example.com");
        token.iter().fold(request, |request, token| request.bearer_auth(token)).send()
    };
    for (token, error) in [(None, false), (Some("wrong"), true)] {
        let challenge = call(token).await.unwrap().headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.contains("http://mcp.example.com/.well-known/oauth-protected-resource/mcp"), "{challenge}");
        // A request without a token gets no error (RFC 6750, section 3.1).
        assert_eq!(challenge.contains("error=\"invalid_token\""), error, "{challenge}");
    }
    let document = server.page("/.well-known/oauth-protected-resource/mcp").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["resource"], format!("{}/mcp", server.base));
    let foreign = server.http.get(format!("{}/.well-known/oauth-protected-resource/mcp", server.base));
    assert_eq!(foreign.header("host", "evil.example").send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn preflights_are_answered_without_a_token_and_only_accepted_origins_are_named() {
    let server = start_with(&[(env::ALLOWED_ORIGINS, "https://app.example.com")]).await;
    let preflight = |origin: &'static str| {
        let request = server.http.request(reqwest::Method::OPTIONS, format!("{}/mcp", server.base));
        let request = request.header("access-control-request-method", "POST").header("origin", origin);
        request.header("access-control-request-headers", "authorization, mcp-param-text").send()
    };
    for origin in ["https://app.example.com", "http://localhost:6274"] {
        let reply = preflight(origin).await.unwrap();
        assert!(reply.status().is_success());
        let header = |name: &str| reply.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("access-control-allow-origin"), origin);
        assert!(header("access-control-allow-methods").contains("POST"));
        assert!(header("access-control-allow-headers").contains("mcp-param-text"));
    }
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "null"] {
        let reply = preflight(origin).await.unwrap();
        assert!(!reply.headers().contains_key("access-control-allow-origin"), "{origin}");
    }
    // A page reads a refusal, too.
    let refused =
        server.http.post(format!("{}/mcp", server.base)).header("origin", "http://localhost:1").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["access-control-allow-origin"]),
        (401, &"http://localhost:1".parse().unwrap())
    );
    assert!(refused.headers()["access-control-expose-headers"].to_str().unwrap().contains("www-authenticate"));
}

/// Sends a head and a body of `bytes` before it reads anything, as many clients do.
fn exchange(address: &str, head: &[u8], bytes: usize) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head).unwrap();
    let chunk = vec![b'x'; 64 << 10];
    for _ in 0..bytes / chunk.len() {
        if let Err(error) = stream.write_all(&chunk) {
            return format!("cannot send: {error}");
        }
    }
    let mut reply = String::new();
    match stream.read_to_string(&mut reply) {
        Ok(_) => reply,
        Err(error) => format!("cannot read after `{reply}`: {error}"),
    }
}

#[tokio::test]
async fn a_client_that_sends_a_large_body_first_still_reads_the_refusal() {
    let server = start().await;
    let address = server.base.trim_start_matches("http://").to_owned();
    for (token, status) in [(server.caller.token(), "413"), ("wrong".to_owned(), "401")] {
        for bytes in [2 << 20, 16 << 20] {
            for framing in [format!("content-length: {bytes}"), "transfer-encoding: chunked".to_owned()] {
                let mut head = format!(
                    "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
                );
                if framing.contains("chunked") {
                    head.push_str(&format!("{bytes:x}\r\n"));
                }
                let address = address.clone();
                let reply =
                    tokio::task::spawn_blocking(move || exchange(&address, head.as_bytes(), bytes)).await.unwrap();
                assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{status}, {bytes}, {framing}: {reply}");
                assert!(reply.contains("\"error\""), "{reply}");
            }
        }
    }
}
