//! The handshake in both eras, sessions that are closed and lost, and tokens that change.

use super::{OK, PATIENT, Step, scripted};
use crate::drive::client::{
    Bearer, Client, ClientOptions, ConnectionFailure, Endpoint, Message, Protocol, check_connection,
};
use crate::plan::bearer::BearerSource;
use harness_history::{ErrorKind, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DISCOVERED: &str = r#"{"jsonrpc":"2.0","id":{id},"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"sample","version":"1.2"}}}}"#;
const NO_METHOD: &str = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32601,"message":"no such method"}}"#;
const BAD_REQUEST: &str =
    "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 18\r\n\r\nMissing session ID";
const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const TOOLS: &str = r#"{"jsonrpc":"2.0","id":{id},"result":{"tools":[{"name":"put"},{"name":"get"}]}}"#;

/// A reply to `initialize` with a session, unless its id is empty.
fn initialized(session: &str) -> Step {
    let body = r#"{"jsonrpc":"2.0","id":{id},"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"old"}}}"#;
    let session = if session.is_empty() { String::new() } else { format!("Mcp-Session-Id: {session}\r\n") };
    // The number of the request has one digit, as its place in the text has four characters.
    let length = body.len() - "{id}".len() + 1;
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{session}content-length: {length}\r\n\r\n{body}");
    Step::Answer(text.leak())
}

fn client(endpoint: &Arc<Endpoint>) -> Client {
    let options = ClientOptions { deadline: PATIENT, ..ClientOptions::default() };
    Client::negotiating(Arc::clone(endpoint), options)
}

fn has(request: &str, line: &str) -> bool {
    let head = request.split("\r\n\r\n").next().unwrap();
    head.lines().any(|have| have == line)
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn a_server_of_2026_is_called_after_one_request() {
    let (endpoint, mut server) = scripted(vec![Step::Answer(DISCOVERED), Step::Answer(OK), Step::Answer(OK)]).await;
    let mut client = client(&endpoint);
    assert_eq!(client.protocol(), None);
    let (invoke_us, outcome) = {
        let call = client.call("echo", &json!({})).await;
        (call.invoke_us, call.outcome)
    };
    assert_eq!(outcome, Outcome::Ok);
    let handshake = client.take_handshake().unwrap();
    assert_eq!((handshake.requests, &handshake.protocol), (1, &Some(Protocol::Modern)));
    assert_eq!((&handshake.outcome, handshake.server.as_deref()), (&Outcome::Ok, Some("sample 1.2")));
    assert!(handshake.invoke_us <= handshake.complete_us && handshake.complete_us <= invoke_us, "timed apart");
    assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Ok);
    assert_eq!(client.take_handshake(), None, "one handshake is enough");
    assert_eq!(client.end().await, None, "there is no session to close");
    drop(client);
    let (connections, requests) = server.join_next().await.unwrap().unwrap();
    assert_eq!((connections, requests.len()), (1, 3));
    assert!(has(&requests[0], "mcp-method: server/discover") && has(&requests[0], "mcp-protocol-version: 2026-07-28"));
    assert!(has(&requests[1], "mcp-name: echo"));
}

#[tokio::test]
async fn a_legacy_server_gets_initialize_and_its_session_is_closed() {
    for refusal in [BAD_REQUEST, NO_METHOD] {
        let steps = vec![
            Step::Answer(refusal),
            initialized("session-1"),
            Step::Answer(ACCEPTED),
            Step::Answer(OK),
            Step::Answer("HTTP/1.1 204 No Content\r\n\r\n"),
        ];
        let (endpoint, mut server) = scripted(steps).await;
        let mut client = client(&endpoint);
        client.set_token("the-token");
        let handshake = client.ready().await.unwrap();
        let legacy = Protocol::Legacy { version: "2025-06-18".to_owned(), session: Some("session-1".to_owned()) };
        assert_eq!((handshake.requests, handshake.protocol.as_ref()), (3, Some(&legacy)));
        assert_eq!(handshake.server.as_deref(), Some("old"));
        assert_eq!(client.ready().await, None, "none is due");
        let call = client.call("echo", &json!({ "text": "x" })).await;
        assert_eq!(call.outcome, Outcome::Ok);
        assert_eq!(client.end().await, Some(Outcome::Ok));
        assert_eq!(client.protocol(), None);
        let (_, requests) = server.join_next().await.unwrap().unwrap();
        assert_eq!(body(&requests[1])["params"]["protocolVersion"], "2025-11-25");
        assert!(!requests[1].contains("mcp-session-id"), "the session begins with the reply");
        assert_eq!(body(&requests[2]), json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        for request in &requests[2..] {
            for line in
                ["mcp-session-id: session-1", "mcp-protocol-version: 2025-06-18", "authorization: Bearer the-token"]
            {
                assert!(has(request, line), "{line} in {request}");
            }
        }
        assert_eq!(body(&requests[3])["params"], json!({ "name": "echo", "arguments": { "text": "x" } }));
        assert!(!requests[3].contains("mcp-name") && !requests[3].contains("mcp-method"), "{}", requests[3]);
        assert!(requests[4].starts_with("DELETE /mcp HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn a_server_that_never_answers_an_unknown_method_gets_initialize() {
    let steps = vec![Step::Stall, initialized("s"), Step::Answer(ACCEPTED)];
    let (endpoint, mut server) = scripted(steps).await;
    let options = ClientOptions { deadline: Duration::from_secs(2), ..ClientOptions::default() };
    let mut client = Client::negotiating(endpoint, options);
    let handshake = client.ready().await.unwrap();
    assert_eq!((handshake.requests, &handshake.outcome), (3, &Outcome::Ok));
    assert_eq!(server.join_next().await.unwrap().unwrap().1.len(), 3);
}

#[tokio::test]
async fn a_server_without_sessions_has_nothing_to_close() {
    let steps = vec![Step::Answer(NO_METHOD), initialized(""), Step::Answer(ACCEPTED), Step::Answer(OK)];
    let (endpoint, mut server) = scripted(steps).await;
    let mut client = client(&endpoint);
    assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Ok);
    assert_eq!(client.end().await, None);
    assert!(!server.join_next().await.unwrap().unwrap().1[3].contains("mcp-session-id"));
}

#[tokio::test]
async fn a_lost_session_is_a_failed_call_and_then_a_new_session() {
    let gone = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    for (refusal, status) in [(gone, 404), (BAD_REQUEST, 400)] {
        let steps = vec![
            Step::Answer(BAD_REQUEST),
            initialized("first"),
            Step::Answer(ACCEPTED),
            Step::Answer(refusal),
            initialized("second"),
            Step::Answer(ACCEPTED),
            Step::Answer(OK),
        ];
        let (endpoint, mut server) = scripted(steps).await;
        let mut client = client(&endpoint);
        assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Failed(ErrorKind::Http(status)));
        assert_eq!(client.protocol(), None, "{status}");
        assert_eq!(client.take_handshake().unwrap().requests, 3);
        assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Ok);
        assert_eq!(client.take_handshake().unwrap().requests, 2, "it is known to be a legacy server");
        let (_, requests) = server.join_next().await.unwrap().unwrap();
        assert_eq!(requests.len(), 7, "the refused call is not sent again");
        assert!(has(&requests[3], "mcp-session-id: first") && has(&requests[6], "mcp-session-id: second"));
    }
}

#[tokio::test]
async fn a_refusal_without_a_session_loses_nothing() {
    let steps = vec![Step::Answer(NO_METHOD), initialized(""), Step::Answer(ACCEPTED), Step::Answer(BAD_REQUEST)];
    let (endpoint, mut server) = scripted(steps).await;
    let mut client = client(&endpoint);
    assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Failed(ErrorKind::Http(400)));
    assert!(client.protocol().is_some());
    assert_eq!(server.join_next().await.unwrap().unwrap().1.len(), 4);
}

#[tokio::test]
async fn an_error_whose_body_is_json_and_not_an_object_is_a_refused_call() {
    for body in [r#""Bad Request""#, "404", "true", "[]"] {
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json";
        let refusal = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (endpoint, mut server) = scripted(vec![Step::Answer(refusal.leak())]).await;
        let mut client = Client::new(endpoint, ClientOptions { deadline: PATIENT, ..ClientOptions::default() });
        let heard = client.ask(&Message { method: "tools/list".to_owned(), ..Message::default() }).await;
        assert_eq!((heard.outcome, heard.error), (Outcome::Failed(ErrorKind::Http(400)), Value::Null), "{body}");
        assert_eq!(server.join_next().await.unwrap().unwrap().1.len(), 1);
    }
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_call_that_was_not_sent() {
    let refused = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let odd = r#"{"jsonrpc":"2.0","id":{id},"result":{"protocolVersion":"a b","capabilities":{}}}"#;
    for (steps, expected) in [
        (vec![Step::Answer(refused)], ErrorKind::Http(401)),
        (vec![Step::Answer(NO_METHOD), Step::Answer(NO_METHOD)], ErrorKind::JsonRpc(-32601)),
        (vec![Step::Close], ErrorKind::Reset),
        (vec![Step::Answer(NO_METHOD), initialized("x"), Step::Answer(BAD_REQUEST)], ErrorKind::Http(400)),
        (
            vec![Step::Answer(NO_METHOD), Step::Answer(odd)],
            ErrorKind::Malformed("a reply to `initialize` without a `protocolVersion`".into()),
        ),
    ] {
        let number = steps.len();
        let (endpoint, mut server) = scripted(steps).await;
        let mut client = client(&endpoint);
        let outcome = client.call("put", &json!({})).await.outcome;
        assert_eq!(outcome, Outcome::Failed(expected), "the call had no effect for certain");
        let handshake = client.take_handshake().unwrap();
        assert_ne!(handshake.outcome, Outcome::Ok);
        assert_eq!((handshake.protocol, client.protocol()), (None, None));
        drop(client);
        assert_eq!(server.join_next().await.unwrap().unwrap().1.len(), number);
    }
}

#[tokio::test]
async fn a_message_of_any_method_is_in_the_era_of_the_server() {
    let steps = vec![Step::Answer(NO_METHOD), initialized("s"), Step::Answer(ACCEPTED), Step::Answer(TOOLS)];
    let (endpoint, mut server) = scripted(steps).await;
    let mut client = client(&endpoint);
    let listed = client.ask(&Message { method: "tools/list".to_owned(), ..Message::default() }).await;
    assert_eq!((listed.outcome, listed.result["tools"][0]["name"].as_str()), (Outcome::Ok, Some("put")));
    let requests = server.join_next().await.unwrap().unwrap().1;
    assert!(has(&requests[3], "mcp-session-id: s") && !requests[3].contains("_meta"));
}

#[tokio::test]
async fn a_refused_token_is_read_again_before_the_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old-token").unwrap();
    let bearer = Arc::new(Bearer::open(&BearerSource::File(path.clone())).unwrap());
    let refused = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let (endpoint, mut server) = scripted(vec![Step::Answer(refused), Step::Answer(OK)]).await;
    let mut client = Client::new(endpoint, ClientOptions { deadline: PATIENT, ..ClientOptions::default() });
    client.set_bearer(bearer);
    std::fs::write(&path, "new-token").unwrap();
    // The first call may notice the change by the time of the file; it is refused in either case.
    assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Failed(ErrorKind::Http(401)));
    assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Ok);
    let printed = format!("{client:?}");
    let requests = server.join_next().await.unwrap().unwrap().1;
    assert!(has(&requests[1], "authorization: Bearer new-token"), "{}", requests[1]);
    assert!(!printed.contains("new-token") && !printed.contains("old-token"), "{printed}");
}

#[tokio::test]
async fn an_expired_token_is_not_an_error_of_the_server() {
    let refused = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let (endpoint, mut server) = scripted(vec![Step::Answer(refused), Step::Answer(OK), Step::Answer(refused)]).await;
    let mut client = Client::new(endpoint, ClientOptions { deadline: PATIENT, ..ClientOptions::default() });
    // Cargo sets this variable for every test.
    client.set_bearer(Arc::new(Bearer::open(&BearerSource::Variable("CARGO_PKG_NAME".to_owned())).unwrap()));
    let never_accepted = client.call("echo", &json!({})).await.outcome;
    assert_eq!(never_accepted, Outcome::Failed(ErrorKind::Http(401)), "the server refuses it for a reason of its own");
    assert_eq!(client.call("echo", &json!({})).await.outcome, Outcome::Ok);
    let ended = client.call("echo", &json!({})).await.outcome;
    assert!(
        matches!(&ended, Outcome::Failed(ErrorKind::Local(why)) if why.contains("`CARGO_PKG_NAME`") && why.contains("--bearer-file")),
        "{ended:?}"
    );
    server.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_first_contact_lists_the_tools_and_closes_its_session() {
    let steps = vec![
        Step::Answer(BAD_REQUEST),
        initialized("s"),
        Step::Answer(ACCEPTED),
        Step::Answer(TOOLS),
        Step::Answer("HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n"),
    ];
    let (endpoint, mut server) = scripted(steps).await;
    let made = check_connection(&endpoint, None, ClientOptions { deadline: PATIENT, ..ClientOptions::default() })
        .await
        .unwrap();
    assert_eq!((made.protocol.version(), made.tools.len()), ("2025-06-18", 2));
    assert!(server.join_next().await.unwrap().unwrap().1[4].starts_with("DELETE"));
}

#[tokio::test]
async fn a_first_contact_that_fails_names_the_obstacle() {
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://192.0.2.7/mcp\r\ncontent-length: 0\r\n\r\n";
    let forbidden = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    let endless = r#"{"jsonrpc":"2.0","id":{id},"result":{"tools":[],"nextCursor":"again"}}"#;
    for (steps, failure, why) in [
        (vec![Step::Answer(redirect)], ConnectionFailure::Redirect, "`https://192.0.2.7/mcp`"),
        (vec![Step::Answer(forbidden)], ConnectionFailure::NotAuthorized, "status 403"),
        (vec![Step::Answer(page), Step::Answer(page)], ConnectionFailure::NotMcp, "malformed"),
        (vec![Step::Close], ConnectionFailure::NotReached, "closes the connection"),
        (
            [vec![Step::Answer(DISCOVERED)], vec![Step::Answer(endless); 100]].concat(),
            ConnectionFailure::NotMcp,
            "100 pages",
        ),
    ] {
        let (endpoint, _server) = scripted(steps).await;
        let options = ClientOptions { deadline: PATIENT, ..ClientOptions::default() };
        let error = check_connection(&endpoint, None, options).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.failure, failure, "{text}");
        assert!(text.contains(why) && text.contains(endpoint.authority()) && text.contains("\nhint: "), "{text}");
    }
}
