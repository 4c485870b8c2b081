//! Rules on an edge to Redis: commands are operations, and each command gets exactly one reply, from the upstream or from a rule.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[path = "support/wire.rs"]
mod wire;

use chaos_proxy::toxic::{RedisError, RedisShape, Reset};
use chaos_proxy::{Options, Proxy, RequestFilter, Rule, Toxic};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use wire::{Client, PATIENCE, Upstream, echo, http, noise, start};

/// Replies to each command with its name and first argument. The reply to `HOLD` is sent together with that of the next command.
async fn redis() -> Upstream {
    start(|mut socket| async move {
        let (reader, mut writer) = socket.split();
        let mut reader = BufReader::new(reader);
        let mut pending = String::new();
        while let Some(words) = command(&mut reader).await {
            pending += &format!("+{} {}\r\n", words[0], words.get(1).map_or("", String::as_str));
            if words[0] != "HOLD" && writer.write_all(std::mem::take(&mut pending).as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

async fn command(reader: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(reader).await? {
        let mut word = vec![0; number(reader).await? + 2];
        reader.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8(word).unwrap().trim_end().to_owned());
    }
    Some(words)
}

async fn number(reader: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}

fn encode(words: &[&str]) -> String {
    let arguments: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{arguments}", words.len())
}

fn error(text: &str, commands: &[&str]) -> Rule {
    let commands = commands.iter().map(|&command| command.to_owned()).collect();
    Rule::new(Toxic::RedisError(RedisError { commands, ..RedisError::new(text) }))
}

async fn edge() -> (Upstream, Proxy) {
    let upstream = redis().await;
    let options = Options { seed: 42, ..Options::default() };
    let proxy = Proxy::start_with("redis", upstream.address, options).await.unwrap();
    (upstream, proxy)
}

/// Sends commands in one pipeline and reads a line for each.
async fn send(client: &mut Client, commands: &[&[&str]]) -> Vec<String> {
    let text: String = commands.iter().map(|words| encode(words)).collect();
    client.send(text.as_bytes()).await;
    lines(client, commands.len()).await
}

async fn lines(client: &mut Client, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let reading = async {
        while lines.len() < count {
            line.push(client.socket.read_u8().await.unwrap());
            if line.ends_with(b"\r\n") {
                lines.push(String::from_utf8_lossy(&std::mem::take(&mut line)).trim_end().to_owned());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    lines
}

#[tokio::test]
async fn pipelined_commands_get_their_replies_in_order() {
    let (_upstream, proxy) = edge().await;
    let mut client = Client::to(proxy.address()).await;
    assert_eq!(send(&mut client, &[&["PING"], &["GET", "a"]]).await, ["+PING", "+GET a"]);
    let guard = proxy.add(error("LOADING Redis is loading", &["EVALSHA", "incr"])).unwrap();
    let commands: [&[&str]; 6] =
        [&["EVALSHA", "x"], &["GET", "b"], &["evalsha", "y"], &["INCR", "*1\r\n"], &["SET", "c"], &["EVALSHA", "z"]];
    let loading = "-LOADING Redis is loading";
    assert_eq!(send(&mut client, &commands).await, [loading, "+GET b", loading, loading, "+SET c", loading]);
    let hits = guard.remove();
    assert_eq!((hits.connections, hits.operations), (1, 4));
    assert_eq!(send(&mut client, &[&["EVALSHA", "x"]]).await, ["+EVALSHA x"]);
    assert_eq!((proxy.tally().operations, proxy.tally().foreign), (9, 1));
    proxy.close().await;
}

#[tokio::test]
async fn an_answer_waits_for_replies_to_commands_sent_before_the_rule() {
    let (_upstream, proxy) = edge().await;
    let mut client = Client::to(proxy.address()).await;
    client.send(encode(&["HOLD", "1"]).as_bytes()).await;
    while proxy.tally().operations == 0 {
        tokio::task::yield_now().await;
    }
    let _guard = proxy.add(error("OOM command not allowed", &["EVAL"])).unwrap();
    assert_eq!(
        send(&mut client, &[&["EVAL", "s"], &["GET", "a"]]).await,
        ["+HOLD 1", "-OOM command not allowed"],
        "the reply to HOLD must come first"
    );
    assert_eq!(lines(&mut client, 1).await, ["+GET a"]);
    proxy.close().await;
}

#[tokio::test]
async fn without_command_names_every_command_is_answered_by_the_rule() {
    let (upstream, proxy) = edge().await;
    let _guard = proxy.add(error("BUSY a script runs", &[])).unwrap();
    let mut client = Client::to(proxy.address()).await;
    assert_eq!(send(&mut client, &[&["HELLO", "3"], &["GET", "a"]]).await, ["-BUSY a script runs"; 2]);
    proxy.clear();
    assert_eq!(send(&mut client, &[&["GET", "b"]]).await, ["+GET b"]);
    drop(upstream);
    proxy.close().await;
}

#[tokio::test]
async fn invalid_replies_arrive_exactly_as_configured() {
    let cases = [
        (RedisShape::Garbage, &b"\x00\x01 this is no reply of Redis\r\n+PING \r\n"[..], false),
        (RedisShape::WrongInteger, b":9223372036854775808\r\n+PING \r\n", false),
        (RedisShape::Truncated, b"*3\r\n:1\r\n$20\r\nhalf of", true),
    ];
    for (shape, expected, ends) in cases {
        let (_upstream, proxy) = edge().await;
        let toxic = RedisError { commands: vec!["EVAL".into()], shape, ..RedisError::new("ERR") };
        let _guard = proxy.add(Rule::new(Toxic::RedisError(toxic))).unwrap();
        let mut client = Client::to(proxy.address()).await;
        client.send(encode(&["EVAL", "s"]).as_bytes()).await;
        if ends {
            assert_eq!(client.rest().await, (expected.to_vec(), true));
        } else {
            client.send(encode(&["PING"]).as_bytes()).await;
            let mut received = vec![0; expected.len()];
            tokio::time::timeout(PATIENCE, client.socket.read_exact(&mut received)).await.unwrap().unwrap();
            assert_eq!(received, expected);
        }
        proxy.close().await;
    }
}

#[tokio::test]
async fn a_share_hits_the_same_commands_in_any_order() {
    let mut runs = Vec::new();
    for order in [(0..40).collect::<Vec<_>>(), (0..40).rev().collect()] {
        let (_upstream, proxy) = edge().await;
        let only = RequestFilter { content: "tenant".into(), ..RequestFilter::default() };
        let guard = proxy.add(error("LOADING wait", &["GET"]).share(0.5).only(only)).unwrap();
        let mut client = Client::to(proxy.address()).await;
        let mut hit = Vec::new();
        for number in order {
            let key = format!("tenant:{number}");
            let replies = send(&mut client, &[&["GET", &key], &["GET", "other"]]).await;
            assert_eq!(replies[1], "+GET other", "the filter does not match");
            if replies[0].starts_with("-LOADING") {
                hit.push(number);
            }
        }
        hit.sort_unstable();
        assert_eq!(guard.hits().operations, hit.len() as u64);
        runs.push(hit);
        proxy.close().await;
    }
    assert_eq!(runs[0], runs[1]);
    assert!((8..32).contains(&runs[0].len()), "{runs:?}");
}

#[tokio::test]
async fn a_filtered_reset_hits_only_the_matching_command() {
    let (_upstream, proxy) = edge().await;
    let only = RequestFilter { method: "EVALSHA".into(), ..RequestFilter::default() };
    let guard = proxy.add(Rule::new(Toxic::Reset(Reset {})).only(only)).unwrap();
    let mut client = Client::to(proxy.address()).await;
    assert_eq!(send(&mut client, &[&["GET", "a"]]).await, ["+GET a"]);
    client.send(encode(&["evalsha", "x"]).as_bytes()).await;
    assert_eq!(client.rest().await, (Vec::new(), false));
    assert_eq!(guard.hits().operations, 1);
    proxy.close().await;
}

#[tokio::test]
async fn a_rule_can_be_removed_in_the_middle_of_a_command() {
    let (_upstream, proxy) = edge().await;
    let mut client = Client::to(proxy.address()).await;
    let guard = proxy.add(error("LOADING wait", &[])).unwrap();
    client.send(b"*2\r\n$3\r\nGE").await;
    while proxy.tally().operations == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(guard.remove().operations, 0);
    client.send(b"T\r\n$1\r\na\r\n").await;
    assert_eq!(lines(&mut client, 1).await, ["+GET a"]);
    proxy.close().await;
}

#[tokio::test]
async fn an_edge_survives_clients_that_close_at_any_time() {
    let (_upstream, proxy) = edge().await;
    let guards =
        [error("LOADING wait", &[]), error("OOM no", &["GET"]).share(0.5)].map(|rule| proxy.add(rule).unwrap());
    let text = encode(&["GET", "a"]).repeat(50);
    for cut in [0, 1, 3, 10, 17, 40, text.len()] {
        let mut client = Client::to(proxy.address()).await;
        client.send(&text.as_bytes()[..cut]).await;
    }
    drop(guards);
    let empty = async {
        while proxy.tally().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.unwrap();
    assert_eq!(send(&mut Client::to(proxy.address()).await, &[&["GET", "z"]]).await, ["+GET z"]);
    proxy.close().await;
}

#[tokio::test]
async fn bytes_that_only_begin_like_a_command_pass() {
    let upstream = echo().await;
    let proxy = Proxy::start("redis", upstream.address).await.unwrap();
    let _guard = proxy.add(error("LOADING wait", &[])).unwrap();
    let sent = [b"*2\r\n$100000\r\n".to_vec(), noise(99_000), b"\r\n".to_vec(), noise(3_000)].concat();
    let mut client = Client::to(proxy.address()).await;
    client.send(&sent).await;
    client.socket.shutdown().await.unwrap();
    let (received, in_order) = client.rest().await;
    assert!(received == sent && in_order, "{} of {} bytes", received.len(), sent.len());
    proxy.close().await;
}

#[tokio::test]
async fn every_byte_passes_after_subscribe_and_on_an_http_edge() {
    let (_upstream, proxy) = edge().await;
    let _guard = proxy.add(error("LOADING wait", &["GET"])).unwrap();
    let mut client = Client::to(proxy.address()).await;
    assert_eq!(send(&mut client, &[&["SUBSCRIBE", "c"], &["GET", "a"]]).await, ["+SUBSCRIBE c", "+GET a"]);
    proxy.close().await;

    let upstream = http().await;
    let proxy = Proxy::start("memory", upstream.address).await.unwrap();
    let guard = proxy.add(error("LOADING wait", &[])).unwrap();
    assert_eq!(Client::to(proxy.address()).await.post("/mcp", "GET").await.unwrap().1, "/mcp got 3: GET");
    assert_eq!(guard.hits().operations, 0);
    proxy.close().await;
}
