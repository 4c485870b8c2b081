//! The client against servers that answer, stall, cut off, refuse and lie.

mod session;
mod tls;

use super::{Call, Client, ClientOptions, Endpoint};
use harness_history::{ErrorKind, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The answer of a scripted server to one request.
#[derive(Clone)]
enum Step {
    /// Answers with these bytes; `{id}` is the id of the request.
    Answer(&'static str),
    /// Answers in pieces of one byte.
    Dribble(&'static str),
    /// Answers, then closes.
    AnswerAndClose(&'static str),
    /// Closes without an answer.
    Close,
    /// Keeps the connection open and does not answer.
    Stall,
    /// Answers, keeps the connection open and serves the next request on another one.
    AnswerAndHold(&'static str),
    /// Answers in two writes.
    AnswerInTwo(&'static str, &'static str),
}

const OK: &str = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[],"structuredContent":{"n":{id}}}}"#;

/// Serves the steps in order, over any number of connections. Returns the requests that it received.
async fn serve(listener: TcpListener, steps: Vec<Step>) -> (usize, Vec<String>) {
    let (mut connections, mut requests, mut held) = (0, Vec::new(), Vec::new());
    let mut stream: Option<TcpStream> = None;
    for step in steps {
        let request = loop {
            let mut current = match stream.take() {
                Some(current) => current,
                None => {
                    connections += 1;
                    listener.accept().await.unwrap().0
                }
            };
            if let Some(request) = read_request(&mut current).await {
                stream = Some(current);
                break request;
            }
        };
        let body = request.split("\r\n\r\n").nth(1).unwrap();
        let id = serde_json::from_str::<Value>(body).unwrap_or_default()["id"].to_string();
        requests.push(request);
        let current = stream.as_mut().unwrap();
        match step {
            Step::Answer(text) => current.write_all(http(text, &id).as_bytes()).await.unwrap(),
            Step::Dribble(text) => {
                for byte in http(text, &id).into_bytes() {
                    current.write_all(&[byte]).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
            Step::AnswerAndClose(text) => {
                current.write_all(http(text, &id).as_bytes()).await.unwrap();
                stream = None;
            }
            Step::Close => stream = None,
            Step::AnswerAndHold(text) => {
                current.write_all(http(text, &id).as_bytes()).await.unwrap();
                held.extend(stream.take());
            }
            Step::AnswerInTwo(first, second) => {
                current.write_all(http(first, &id).as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
                // The client may have gone.
                let _ = current.write_all(second.as_bytes()).await;
            }
            Step::Stall => {
                read_request(current).await;
            }
        }
    }
    (connections, requests)
}

fn http(text: &str, id: &str) -> String {
    let text = text.replace("{id}", id);
    if text.starts_with("HTTP/") {
        return text;
    }
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}", text.len())
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.map_or(0, |length| length.parse::<usize>().unwrap()) {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Starts a server for these steps. The task returns what [`serve`] returns.
async fn scripted(steps: Vec<Step>) -> (Arc<Endpoint>, JoinSet<(usize, Vec<String>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: Endpoint = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    let mut server = JoinSet::new();
    server.spawn(serve(listener, steps));
    (Arc::new(endpoint), server)
}

/// Makes one call for each step. Returns the result of each call, the number of connections, and the requests that the
/// server received.
async fn run(deadline: Duration, steps: Vec<Step>) -> (Vec<(Outcome, Option<String>)>, usize, Vec<String>) {
    let calls = steps.len();
    let (endpoint, mut server) = scripted(steps).await;
    let options = ClientOptions { deadline, max_reply_bytes: 4 << 10, ..ClientOptions::default() };
    let mut client = Client::new(endpoint, options);
    client.set_token("the-token");
    let mut ended = Vec::new();
    for number in 0..calls {
        let Call { outcome, structured, invoke_us, complete_us, .. } =
            client.call("store_memory", &json!({ "number": number })).await;
        assert!(invoke_us <= complete_us);
        ended.push((outcome, structured.map(str::to_owned)));
    }
    drop(client);
    let (connections, requests) = server.join_next().await.unwrap().unwrap();
    (ended, connections, requests)
}

const PATIENT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn calls_share_one_connection_and_follow_the_protocol() {
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
        4e\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{\"content\":[],\"structuredContent\":2}}\n\n\r\n0\r\n\r\n";
    let (ended, connections, requests) =
        run(PATIENT, vec![Step::Answer(OK), Step::Answer(chunked), Step::Dribble(OK)]).await;
    assert_eq!(ended[0], (Outcome::Ok, Some(r#"{"n":1}"#.to_owned())));
    assert_eq!(ended[1], (Outcome::Ok, Some("2".to_owned())));
    assert_eq!(ended[2], (Outcome::Ok, Some(r#"{"n":3}"#.to_owned())));
    assert_eq!(connections, 1);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    for line in [
        "POST /mcp HTTP/1.1",
        "accept: application/json, text/event-stream",
        "content-type: application/json",
        "mcp-protocol-version: 2026-07-28",
        "mcp-method: tools/call",
        "mcp-name: store_memory",
        "authorization: Bearer the-token",
    ] {
        assert!(head.lines().any(|have| have == line), "{line} in {head}");
    }
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["method"], &body["id"]), (&json!("tools/call"), &json!(1)));
    assert_eq!(
        (&body["params"]["name"], &body["params"]["arguments"]),
        (&json!("store_memory"), &json!({"number": 0}))
    );
    assert_eq!(body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_object());
}

#[tokio::test]
async fn a_call_that_was_sent_and_not_answered_is_unknown_and_never_repeated() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
    let (ended, connections, requests) =
        run(PATIENT, vec![Step::Close, Step::AnswerAndClose(cut), Step::Answer(OK)]).await;
    assert_eq!(ended[0].0, Outcome::Unknown(ErrorKind::Reset));
    assert_eq!(ended[1].0, Outcome::Unknown(ErrorKind::Reset));
    assert_eq!(ended[2].0, Outcome::Ok);
    assert_eq!((connections, requests.len()), (3, 3));
}

#[tokio::test]
async fn a_stalled_call_is_unknown_after_its_deadline() {
    let (ended, _, requests) = run(Duration::from_millis(200), vec![Step::Stall]).await;
    assert_eq!((ended[0].0.clone(), requests.len()), (Outcome::Unknown(ErrorKind::Timeout), 1));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_before_the_send() {
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 51\r\n\r\n\
        {\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{\"content\":[]}}   ";
    let (ended, connections, _) = run(PATIENT, vec![Step::AnswerAndClose(closing), Step::Answer(OK)]).await;
    assert_eq!((ended[0].0.clone(), ended[1].0.clone()), (Outcome::Ok, Outcome::Ok));
    assert_eq!(connections, 2);
}

#[tokio::test]
async fn a_reply_past_the_bound_is_given_up() {
    let huge = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n";
    let text: &'static str = Box::leak(format!("{huge}{}", "x".repeat(8 << 10)).into_boxed_str());
    let (ended, _, _) = run(PATIENT, vec![Step::AnswerAndClose(text)]).await;
    assert!(
        matches!(&ended[0].0, Outcome::Unknown(ErrorKind::Malformed(why)) if why.contains("4096 bytes")),
        "{ended:?}"
    );
}

#[tokio::test]
async fn without_a_listener_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint: Endpoint = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let mut client = Client::new(Arc::new(endpoint), ClientOptions::default());
    assert_eq!(client.call("x", &json!({})).await.outcome, Outcome::Failed(ErrorKind::Connect));
}

#[tokio::test]
async fn a_stream_that_stays_open_after_the_response_does_not_hold_the_call() {
    let open = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
        1a\r\nid: 0\nretry: 3000\ndata: \n\n\r\n\
        4e\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{\"content\":[],\"structuredContent\":2}}\n\n\r\n";
    let until_close = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n\
        data: {\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{\"content\":[],\"structuredContent\":2}}\n\n";
    let steps = vec![Step::AnswerAndHold(open), Step::AnswerAndHold(until_close), Step::Answer(OK)];
    let (ended, connections, _) = run(PATIENT, steps).await;
    for ended in &ended[..2] {
        assert_eq!(*ended, (Outcome::Ok, Some("2".to_owned())));
    }
    assert_eq!(ended[2].0, Outcome::Ok, "the next reply is not read from the open stream");
    assert_eq!(connections, 3, "an open stream is dropped");
}

#[tokio::test]
async fn a_stream_that_ends_soon_after_the_response_leaves_its_connection_to_the_next_call() {
    let first = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
        4e\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{\"content\":[],\"structuredContent\":2}}\n\n\r\n";
    let (ended, connections, _) = run(PATIENT, vec![Step::AnswerInTwo(first, "0\r\n\r\n"); 9]).await;
    assert!(ended.iter().all(|ended| *ended == (Outcome::Ok, Some("2".to_owned()))), "{ended:?}");
    assert!(connections < 9, "at least one connection carried two calls");
}

#[tokio::test]
async fn a_redirect_is_a_refused_call_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let text = format!("HTTP/1.1 {status} Moved\r\nlocation: http://192.0.2.7/mcp\r\ncontent-length: 0\r\n\r\n");
        let (ended, connections, requests) = run(PATIENT, vec![Step::Answer(text.leak()), Step::Answer(OK)]).await;
        assert_eq!(ended[0].0, Outcome::Failed(ErrorKind::Http(status)));
        assert_eq!((ended[1].0.clone(), connections, requests.len()), (Outcome::Ok, 1, 2));
    }
}
