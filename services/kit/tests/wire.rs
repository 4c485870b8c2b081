//! The endpoint over a socket, in both eras, with every kind of invalid request.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::{ErrorCode, Scope, Service, ToolError, env};
use mcp_kit::{Annotations, CallContext, Start, Tool, ToolInfo, ToolSet};
use mcp_testkit::{Caller, Server};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;

/// Arguments of the calls of `slow`.
static STARTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct Echoed {
    text: String,
    user: String,
}

fn tools() -> ToolSet {
    let info = |name, scopes| ToolInfo {
        name,
        title: "A tool",
        description: "A tool of the tests.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true },
        scopes,
    };
    ToolSet::new(vec![
        Tool::new(info("echo", &[Scope::MemoryRead]), |context: CallContext, echo: Echo| async move {
            Ok(Echoed { text: echo.text, user: context.claims.sub.clone() })
        }),
        Tool::new(info("refuse", &[]), |_: CallContext, _: Echo| async {
            Err::<Echoed, _>(ToolError::new(ErrorCode::NotFound, "nothing \"here\"").with_hint("look elsewhere"))
        }),
        Tool::new(info("panic", &[]), |_: CallContext, echo: Echo| async move {
            assert!(echo.text.is_empty(), "as the test expects");
            Ok(Echoed { text: echo.text, user: String::new() })
        }),
        Tool::new(info("slow", &[]), |_: CallContext, echo: Echo| async move {
            STARTED.lock().unwrap().push(echo.text.clone());
            tokio::time::sleep(Duration::from_millis(echo.text.parse().unwrap_or(0))).await;
            Ok(Echoed { text: echo.text, user: String::new() })
        }),
        Tool::new(
            info("guarded", &[Scope::MemoryWrite, Scope::MemoryDelete]),
            |_: CallContext, echo: Echo| async move { Ok(Echoed { text: echo.text, user: String::new() }) },
        ),
    ])
}

async fn start(values: &[(&str, &str)]) -> Server {
    let caller = Caller::new("acme", &[Scope::MemoryRead]);
    Server::start(Service::Memory, values, caller, async |_: Start| tools().into()).await
}

fn plain(server: &Server, body: &'static str) -> reqwest::RequestBuilder {
    let request = server.http.post(format!("{}/mcp", server.base)).bearer_auth(server.caller.token());
    request.header("content-type", "text/plain").body(body)
}

fn modern(method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
    });
    json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params })
}

#[tokio::test]
async fn a_call_answers_with_structured_content_and_the_same_json_as_text() {
    let server = start(&[]).await;
    let reply = server.call("echo", json!({ "text": "hä \"quoted\" \u{1F980}" })).await;
    assert_eq!((&reply["id"], &reply["result"]["isError"]), (&json!(7), &json!(false)));
    let structured = &reply["result"]["structuredContent"];
    assert_eq!(*structured, json!({ "text": "hä \"quoted\" \u{1F980}", "user": "ann" }));
    let text: Value = serde_json::from_str(reply["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, *structured);
}

#[tokio::test]
async fn a_tool_error_is_a_result_with_its_code_and_no_structured_content() {
    let server = start(&[]).await;
    let reply = server.call("refuse", json!({ "text": "" })).await;
    assert_eq!(reply["result"]["isError"], true);
    assert!(reply["result"].get("structuredContent").is_none());
    let error: Value = serde_json::from_str(reply["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&error["code"], &error["retryable"], &error["hint"]),
        (&json!("not_found"), &json!(false), &json!("look elsewhere"))
    );
    let wrong = server.call("echo", json!({ "text": 5 })).await;
    assert!(wrong["result"]["content"][0]["text"].as_str().unwrap().contains("invalid_argument"));
}

#[tokio::test]
async fn a_panic_is_one_failed_call_and_the_service_continues() {
    let server = start(&[]).await;
    let reply = server.call("panic", json!({ "text": "x" })).await;
    assert!(reply["result"]["content"][0]["text"].as_str().unwrap().contains("\"internal\""));
    assert_eq!(server.call("echo", json!({ "text": "x" })).await["result"]["isError"], false);
    let metrics = server.http.get(format!("{}/metrics", server.base)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("mcp_tool_panics_total"));
}

#[tokio::test]
async fn a_call_beyond_its_deadline_gets_deadline_exceeded() {
    let server = start(&[(env::REQUEST_DEADLINE_MS, "50")]).await;
    let reply = server.call("slow", json!({ "text": "20000" })).await;
    assert!(reply["result"]["content"][0]["text"].as_str().unwrap().contains("deadline_exceeded"));
}

#[tokio::test]
async fn each_invalid_request_has_its_status_and_code() {
    let server = start(&[]).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let big = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":"{}"}}}}"#, "x".repeat(1 << 20));
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let cases: Vec<(&str, reqwest::RequestBuilder, u16, i64)> = vec![
        ("not JSON", server.post("{"), 400, -32700),
        ("a batch", server.post(format!("[{ping}]")), 400, -32600),
        ("a null id", server.post(ping.replace(":1,", ":null,")), 400, -32600),
        ("too deep", server.post(deep), 400, -32600),
        ("too large", server.post(big), 413, -31400),
        (
            "an unknown tool",
            server.post(ping.replace("ping", "tools/call").replace("}", r#","params":{"name":"none"}}"#)),
            200,
            -32602,
        ),
        ("a wrong media type", plain(&server, ping), 415, -31400),
        ("a GET", server.http.get(format!("{}/mcp", server.base)), 405, -31400),
        ("a DELETE", server.http.delete(format!("{}/mcp", server.base)), 405, -31400),
        ("a foreign origin", server.post(ping).header("origin", "http://evil.example"), 403, -31403),
        ("a foreign host", server.post(ping).header("host", "evil.example"), 403, -31403),
        ("an unknown version", server.post(ping).header("mcp-protocol-version", "2031-01-01"), 400, -32022),
        (
            "headers that contradict",
            server
                .post(modern("tools/list", json!({})).to_string())
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "ping"),
            400,
            -32020,
        ),
        ("another service", server.http.post(format!("{}/mcp/patterns", server.base)), 404, -31400),
        ("no such path", server.http.get(format!("{}/nothing", server.base)), 404, -31400),
    ];
    for (name, request, status, code) in cases {
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), status, "{name}");
        let body: Value = reply.json().await.unwrap();
        assert_eq!(body["error"]["code"], code, "{name}: {body}");
    }
}

#[tokio::test]
async fn without_a_valid_token_the_reply_only_tells_where_to_get_one() {
    let server = start(&[(env::AUTHORIZATION_SERVER_URL, "https://login.example.com")]).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let forged = Caller::new("acme", &[Scope::Admin]).token_signed_with("another-key-another-key-another-key-1");
    for authorization in [None, Some("Bearer x".to_owned()), Some(format!("Bearer {forged}"))] {
        let mut request =
            server.http.post(format!("{}/mcp", server.base)).header("content-type", "application/json").body(body);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 401);
        let challenge = reply.headers()["www-authenticate"].to_str().unwrap().to_owned();
        let url = challenge.split('"').nth(1).unwrap();
        assert!(url.ends_with("/.well-known/oauth-protected-resource/mcp"), "{challenge}");
        assert!(!reply.text().await.unwrap().contains("signature"));
    }
    let metadata = server.http.get(format!("{}/.well-known/oauth-protected-resource/mcp", server.base));
    let metadata: Value = metadata.send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["authorization_servers"], json!(["https://login.example.com"]));
}

#[tokio::test]
async fn every_missing_scope_is_named_at_once() {
    let server = start(&[]).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "guarded", "arguments": { "text": "" } } });
    let reply = server.post(body.to_string()).send().await.unwrap();
    assert_eq!(reply.status(), 403);
    let challenge = reply.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("memory.write memory.delete"),
        "{challenge}"
    );
}

#[tokio::test]
async fn the_newest_revision_needs_no_handshake() {
    let server = start(&[]).await;
    let send = |method: &'static str, name: Option<&'static str>, params: Value| {
        let mut request = server.post(modern(method, params).to_string());
        request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let called = send("tools/call", Some("echo"), json!({ "name": "echo", "arguments": { "text": "x" } })).await;
    assert_eq!(called["result"]["resultType"], "complete");
    let discovered = send("server/discover", None, json!({})).await;
    assert_eq!(discovered["result"]["supportedVersions"][0], "2026-07-28", "{discovered}");
    assert!(discovered["result"]["ttlMs"].as_u64().unwrap() > 0);
    let listed = send("tools/list", None, json!({})).await;
    let names: Vec<&str> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo", "refuse", "panic", "slow", "guarded"]);
    assert_eq!(listed["result"]["cacheScope"], "public");
}

#[tokio::test]
async fn a_client_that_accepts_only_events_gets_the_same_document_as_an_event() {
    let server = start(&[]).await;
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "echo", "arguments": { "text": "x" } } });
    let reply = server.post(body.to_string()).header("accept", "application/json;q=0").send().await.unwrap();
    assert_eq!(reply.headers()["content-type"], "application/json", "a repeated header adds up");
    let request = server.http.post(format!("{}/mcp", server.base)).bearer_auth(server.caller.token());
    let reply =
        request.header("content-type", "application/json").header("accept", "text/event-stream").body(body.to_string());
    let reply = reply.send().await.unwrap();
    assert_eq!(reply.headers()["content-type"], "text/event-stream");
    assert_eq!(reply.headers()["x-accel-buffering"], "no");
    let text = reply.text().await.unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), server.call("echo", json!({ "text": "x" })).await);
}

#[tokio::test]
async fn a_used_up_quota_has_retry_after() {
    let server = start(&[(env::QUOTA_ENTERPRISE_DAILY, "2")]).await;
    for remaining in ["1", "0"] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo", "arguments": { "text": "" } } });
        let reply = server.post(body.to_string()).send().await.unwrap();
        assert_eq!(
            (reply.status().as_u16(), reply.headers()["ratelimit-remaining"].to_str().unwrap()),
            (200, remaining)
        );
    }
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":""}}}"#;
    let reply = server.post(body).send().await.unwrap();
    assert_eq!(reply.status(), 429);
    assert!(reply.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(reply.json::<Value>().await.unwrap()["error"]["data"]["code"], "quota_exceeded");
}

#[tokio::test]
async fn running_requests_finish_after_shutdown_begins() {
    let mut server = start(&[]).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "slow", "arguments": { "text": "401" } } });
    let running = server.post(body.to_string()).send();
    let stopping = async {
        while !STARTED.lock().unwrap().iter().any(|text| text == "401") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.stop.cancel();
    };
    let (reply, ()) = tokio::join!(running, stopping);
    assert_eq!(reply.unwrap().status(), 200);
    assert!(server.drained().await, "everything finished within the drain deadline");
}

#[tokio::test]
async fn slow_and_silent_clients_are_disconnected() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start(&[(env::HEADER_READ_DEADLINE_MS, "200")]).await;
    for beginning in [&b"POST /mcp HTTP/1.1\r\nhost: loc"[..], b"", b"PRI * HTTP/2.0\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let mut reply = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut reply)).await;
        assert!(ended.is_ok(), "the connection that began with {} bytes was kept open", beginning.len());
    }
}

/// Connects with a small buffer. Returns the connection, and a request whose reply has this text.
async fn slow_reader(server: &Server, text: &str) -> (tokio::net::TcpStream, String) {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo", "arguments": { "text": text } } });
    let (body, token) = (body.to_string(), server.caller.token());
    let stream = tokio::net::TcpSocket::new_v4().unwrap();
    stream.set_recv_buffer_size(4_096).unwrap();
    let stream = stream.connect(server.base.trim_start_matches("http://").parse().unwrap()).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (stream, head + &body)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_short_reply_that_is_not_read_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start(&[(env::WRITE_DEADLINE_MS, "500")]).await;
    // More than the client's buffer takes, and less than that of the service's socket.
    let text = "x".repeat(60_000);
    let (mut stream, request) = slow_reader(&server, &text).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    // The kernel counts in steps of its probes, which double.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut reply = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut reply)).await;
    assert!(ended.is_ok(), "the connection is kept");
    assert!(reply.len() < text.len(), "the reply waited for its reader");
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_a_time_of_its_own() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (keep_alive, is_kept) in [("620000", true), ("50", false)] {
        let server = start(&[(env::HEADER_READ_DEADLINE_MS, "200"), (env::KEEP_ALIVE_MS, keep_alive)]).await;
        let mut stream = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
        let mut reply = [0; 4_096];
        stream.write_all(request).await.unwrap();
        let bytes = stream.read(&mut reply).await.unwrap();
        assert!(reply[..bytes].starts_with(b"HTTP/1.1 200"));
        let silence = tokio::time::timeout(Duration::from_millis(600), stream.read(&mut reply)).await;
        assert_eq!(silence.is_err(), is_kept, "idle for `{keep_alive}` ms");
        if is_kept {
            stream.write_all(request).await.unwrap();
            let bytes = stream.read(&mut reply).await.unwrap();
            assert!(reply[..bytes].starts_with(b"HTTP/1.1 200"));
        }
    }
}

#[tokio::test]
async fn slow_bodies_of_one_organisation_keep_no_other_out() {
    use tokio::io::AsyncWriteExt;
    let server = start(&[(env::MAX_CONCURRENT_REQUESTS, "4")]).await;
    let token = Caller { scopes: Vec::new(), ..Caller::new("greedy", &[]) }.token();
    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut stream = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    // Bytes of requests are bounded for an organisation, so the last streams are refused at once, and with their own bound.
    let refused = async {
        for stream in &mut streams {
            let mut reply = [0; 12];
            if let Ok(Ok(_)) =
                tokio::time::timeout(Duration::from_millis(50), tokio::io::AsyncReadExt::read_exact(stream, &mut reply))
                    .await
            {
                return String::from_utf8_lossy(&reply).into_owned();
            }
        }
        String::new()
    };
    assert_eq!(refused.await, "HTTP/1.1 429");
    for _ in 0..8 {
        assert_eq!(server.call("echo", json!({ "text": "x" })).await["result"]["isError"], false);
    }
}

#[tokio::test]
async fn a_reply_that_is_not_read_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start(&[(env::WRITE_DEADLINE_MS, "200")]).await;
    let text = "x".repeat(900_000);
    let (mut stream, request) = slow_reader(&server, &text).await;
    // Eight requests in a row, more than the buffers of the sockets hold. The service does not read all of them.
    let requests = request.repeat(8);
    let sent = tokio::time::timeout(Duration::from_secs(60), stream.write_all(requests.as_bytes())).await;
    assert!(sent.is_ok(), "the connection is kept although nothing is read");
    let mut reply = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut reply)).await;
    assert!(ended.is_ok(), "the connection is kept");
    assert!(reply.len() < 8 * 2 * text.len(), "every reply was sent");
}

#[tokio::test]
async fn a_call_whose_client_disconnects_is_counted() {
    let server = start(&[]).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "slow", "arguments": { "text": "5001" } } });
    let cancelled = tokio::time::timeout(Duration::from_millis(300), server.post(body.to_string()).send()).await;
    assert!(cancelled.is_err(), "the call was answered before its client disconnected");
    let counted = async {
        loop {
            let metrics =
                server.http.get(format!("{}/metrics", server.base)).send().await.unwrap().text().await.unwrap();
            if metrics.lines().any(|line| line.contains(r#"tool="slow""#) && line.contains(r#"outcome="cancelled""#)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), counted).await.expect("the call was not counted");
}

#[tokio::test]
async fn the_client_of_the_sdk_lists_and_calls() {
    use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
    use rmcp::service::{ClientLifecycleMode, ClientServiceExt};
    use rmcp::transport::StreamableHttpClientTransport;
    use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
    let server = start(&[]).await;
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    for mode in [ClientLifecycleMode::Discover { preferred_versions }, ClientLifecycleMode::Initialize] {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", server.base));
        let transport = StreamableHttpClientTransport::from_config(config.auth_header(server.caller.token()));
        let client = ClientConfig::new(ClientCapabilities::default(), Implementation::new("test", "0"));
        let client = client.serve_with_lifecycle(transport, mode).await.unwrap();
        assert_eq!(client.list_all_tools().await.unwrap().len(), 5);
        let arguments = json!({ "text": "x" }).as_object().unwrap().clone();
        let reply = client.call_tool(CallToolRequestParams::new("echo").with_arguments(arguments)).await.unwrap();
        assert_eq!(reply.structured_content, Some(json!({ "text": "x", "user": "ann" })));
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn one_address_gets_only_its_part_of_the_connections() {
    let server = start(&[(env::MAX_CONNECTIONS_PER_ADDRESS, "3")]).await;
    let address: std::net::SocketAddr = server.base.strip_prefix("http://").unwrap().parse().unwrap();
    let connect = async |from: [u8; 4]| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut reply = [0; 12];
        let is_served = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut reply).await.is_ok();
        (is_served, stream)
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        let (is_served, stream) = connect([127, 0, 0, 1]).await;
        assert!(is_served);
        held.push(stream);
    }
    assert!(!connect([127, 0, 0, 1]).await.0, "a fourth connection was served");
    assert!(connect([127, 0, 0, 2]).await.0, "another address was refused");
}
