//! What every toxic must do: it acts on open and on new connections, its counters prove it, and after its removal the edge passes every byte
//! again.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[path = "support/wire.rs"]
mod wire;

use chaos_proxy::toxic::{
    ALL, Abort, Bandwidth, Blackhole, Corrupt, Delay, Ending, Hang, Kind, Latency, Malform, Moment, Reset, Shape,
    Slice, SlowClose, Status, Truncate,
};
use chaos_proxy::{Guard, Options, Proxy, RequestFilter, Rule, RuleDirection, Toxic};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::{Client, PATIENCE, Upstream, echo, http, noise, start};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn status(code: u16) -> Toxic {
    Toxic::Status(Status {
        status: code,
        retry_after_secs: Some(1),
        body: "{}".into(),
        content_type: "application/json".into(),
    })
}

/// Opens an edge to an upstream, and a connection before any rule is added.
async fn edge(upstream: &Upstream) -> (Proxy, Client) {
    let proxy =
        Proxy::start_with("memory", upstream.address, Options { seed: 42, ..Options::default() }).await.unwrap();
    let client = Client::to(proxy.address()).await;
    (proxy, client)
}

/// Longer than any test, so that delayed bytes arrive only when the rule is removed.
const NEVER: Duration = Duration::from_secs(86_400);

async fn ping(client: &mut Client) {
    client.post("/mcp", "ping").await.unwrap();
}

/// Waits until a rule has hit this number of bytes.
async fn wait_for_hits(guard: &Guard, bytes: u64) {
    let waiting = async {
        while guard.hits().bytes < bytes {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

/// Returns true if a client has received nothing that it has not read.
fn nothing_arrived(client: &Client) -> bool {
    let read = client.socket.try_read(&mut [0; 1]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn latency_reaches_each_message_of_an_open_connection_and_ends_with_its_rule() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    ping(&mut client).await;
    let guard = proxy
        .add(Rule::new(Toxic::Latency(Latency { delay: ms(40), jitter: ms(10) })).towards(RuleDirection::Client))
        .unwrap();
    for _ in 0..5 {
        ping(&mut client).await;
    }
    ping(&mut Client::to(proxy.address()).await).await;
    let hits = guard.hits();
    assert_eq!((hits.connections, hits.operations), (2, 6));

    // Removing the rule in the middle of a delay releases the request at once.
    let endless = proxy.add(Rule::new(Toxic::Latency(Latency { delay: NEVER, jitter: ms(0) }))).unwrap();
    client.send(b"GET /late HTTP/1.1\r\n\r\n").await;
    while endless.hits().operations == 0 {
        tokio::task::yield_now().await;
    }
    assert!(nothing_arrived(&client));
    drop((endless, guard));
    assert_eq!(client.reply().await.unwrap().1, "/late got 0: ");
    assert_eq!(proxy.rules(), 0);
    proxy.close().await;
}

/// Four threads on fewer cores, so that a connection is often interrupted between two reads. Then the rules change, and the next read has a request that was
/// sent after the change.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_that_is_sent_after_a_change_gets_the_new_rules() {
    let mut edges = tokio::task::JoinSet::new();
    for _ in 0..8 {
        edges.spawn(async {
            let upstream = http().await;
            let (proxy, mut client) = edge(&upstream).await;
            for turn in 0..2_000 {
                let guard = proxy.add(Rule::new(status(503))).unwrap();
                let ruled = client.post("/mcp", "ruled").await.unwrap().0;
                assert!(ruled.starts_with("HTTP/1.1 503"), "turn {turn}: {ruled}");
                drop(guard);
                let free = client.post("/mcp", "free").await.unwrap().0;
                assert!(free.starts_with("HTTP/1.1 200"), "turn {turn}: {free}");
            }
            proxy.close().await;
        });
    }
    while let Some(ended) = edges.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn a_long_reply_is_delayed_and_delivered_as_a_whole() {
    let upstream = echo().await;
    let (proxy, mut client) = edge(&upstream).await;
    let rule = Rule::new(Toxic::Latency(Latency { delay: NEVER, jitter: ms(0) })).towards(RuleDirection::Client);
    let guard = proxy.add(rule).unwrap();
    let sent = noise(1 << 20);
    client.send(&sent).await;
    wait_for_hits(&guard, sent.len() as u64).await;
    assert!(nothing_arrived(&client));
    drop(guard);
    let mut got = vec![0; sent.len()];
    tokio::time::timeout(PATIENCE, client.socket.read_exact(&mut got)).await.unwrap().unwrap();
    assert!(got == sent);
    proxy.close().await;
}

#[tokio::test]
async fn a_limited_rate_delays_bytes_and_loses_none() {
    let upstream = echo().await;
    let (proxy, mut client) = edge(&upstream).await;
    let rule = Rule::new(Toxic::Bandwidth(Bandwidth { bytes_per_second: 1 })).towards(RuleDirection::Client);
    let guard = proxy.add(rule).unwrap();
    let sent = noise(100_000);
    client.send(&sent).await;
    client.socket.shutdown().await.unwrap();
    wait_for_hits(&guard, 100_000).await;
    let mut first = [0; 1];
    tokio::time::timeout(PATIENCE, client.socket.read_exact(&mut first)).await.unwrap().unwrap();
    assert!(nothing_arrived(&client), "more than 1 byte arrived at a rate of 1 byte per second");
    drop(guard);
    let (rest, ended) = client.rest().await;
    assert!([&first[..], &rest].concat() == sent && ended);
    proxy.close().await;
}

#[tokio::test]
async fn a_reset_hits_open_and_new_connections() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    ping(&mut client).await;
    let guard = proxy.add(Rule::new(Toxic::Reset(Reset {}))).unwrap();
    assert!(!client.rest().await.1, "RST and not FIN");
    if let Ok(mut new) = Client::open(proxy.address()).await {
        assert!(!new.rest().await.1, "RST and not FIN");
    }
    assert_eq!(guard.remove().connections, 2);
    assert_eq!(proxy.tally().resets, 2);
    ping(&mut Client::to(proxy.address()).await).await;
    proxy.close().await;
}

#[tokio::test]
async fn a_share_of_resets_hits_the_same_requests_in_any_order() {
    let mut runs = Vec::new();
    for order in [(0..24).collect::<Vec<_>>(), (0..24).rev().collect()] {
        let upstream = http().await;
        let (proxy, _client) = edge(&upstream).await;
        let guard = proxy.add(Rule::new(Toxic::Reset(Reset {})).share(0.5)).unwrap();
        let mut reset = Vec::new();
        for number in order {
            if Client::to(proxy.address()).await.post("/mcp", &format!("request {number}")).await.is_none() {
                reset.push(number);
            }
        }
        reset.sort_unstable();
        assert_eq!(guard.hits().operations, reset.len() as u64);
        let not_sent = proxy.tap().take().iter().filter(|exchange| !exchange.passed_on).count();
        assert_eq!(not_sent, reset.len(), "a request that was reset reached the upstream");
        runs.push(reset);
        proxy.close().await;
    }
    assert_eq!(runs[0], runs[1]);
    assert!((4..20).contains(&runs[0].len()), "{runs:?}");
}

#[tokio::test]
async fn a_hang_loses_nothing_and_ends_with_its_rule() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    ping(&mut client).await;
    let guard = proxy.add(Rule::new(Toxic::Hang(Hang {})).towards(RuleDirection::Client)).unwrap();
    client.send(b"GET /held HTTP/1.1\r\n\r\n").await;
    client.socket.shutdown().await.unwrap();
    assert!(proxy.tap().wait_for(PATIENCE, |log| log.iter().any(|exchange| exchange.path == "/held")).await);
    let mut byte = [0];
    assert!(tokio::time::timeout(ms(60), client.socket.read(&mut byte)).await.is_err(), "nothing arrives");
    assert!(guard.remove().operations >= 1);
    assert_eq!(client.reply().await.unwrap().1, "/held got 0: ");
    assert_eq!(client.rest().await, (Vec::new(), true));
    proxy.close().await;
}

#[tokio::test]
async fn bytes_lost_to_a_blackhole_never_arrive_and_their_connection_ends_with_the_rule() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    let mut quiet = Client::to(proxy.address()).await;
    ping(&mut client).await;
    ping(&mut quiet).await;
    let guard = proxy.add(Rule::new(Toxic::Blackhole(Blackhole {})).towards(RuleDirection::Upstream)).unwrap();
    client.send(b"GET /gone HTTP/1.1\r\n\r\n").await;
    while guard.hits().bytes == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(guard.remove().operations, 1);
    assert!(!client.rest().await.1, "a stream with a hole cannot go on");
    ping(&mut quiet).await;
    proxy.close().await;
}

#[tokio::test]
async fn a_slow_close_delays_the_end_and_not_the_bytes() {
    let upstream = echo().await;
    let (proxy, mut client) = edge(&upstream).await;
    let guard =
        proxy.add(Rule::new(Toxic::SlowClose(SlowClose { delay: NEVER })).towards(RuleDirection::Client)).unwrap();
    client.send(b"hello").await;
    let mut got = [0; 5];
    client.socket.read_exact(&mut got).await.unwrap();
    client.socket.shutdown().await.unwrap();
    while guard.hits().connections == 0 {
        tokio::task::yield_now().await;
    }
    assert!(&got == b"hello" && nothing_arrived(&client), "the end was passed on");
    drop(guard);
    assert_eq!(client.rest().await, (Vec::new(), true));
    proxy.close().await;
}

#[tokio::test]
async fn slices_arrive_one_by_one_and_complete() {
    let upstream = echo().await;
    let (proxy, mut client) = edge(&upstream).await;
    let _guard =
        proxy.add(Rule::new(Toxic::Slice(Slice { size: 3, gap: ms(20) })).towards(RuleDirection::Client)).unwrap();
    client.send(b"0123456789").await;
    let mut buffer = [0; 64];
    let first = client.socket.read(&mut buffer).await.unwrap();
    assert!(first < 10, "{first} bytes at once");
    client.socket.read_exact(&mut buffer[first..10]).await.unwrap();
    assert_eq!(&buffer[..10], b"0123456789");
    proxy.close().await;
}

#[tokio::test]
async fn a_truncated_connection_carries_exactly_the_configured_number_of_bytes() {
    for (ending, in_order) in [(Ending::Close, true), (Ending::Reset, false)] {
        let upstream = start(|mut socket| async move {
            let _ = socket.write_all(&vec![7; 5_000]).await;
            let _ = socket.read(&mut [0]).await;
        })
        .await;
        let proxy = Proxy::start("memory", upstream.address).await.unwrap();
        let guard = proxy
            .add(Rule::new(Toxic::Truncate(Truncate { bytes: 1_000, ending })).towards(RuleDirection::Client))
            .unwrap();
        let mut client = Client::to(proxy.address()).await;
        let (rest, ended_in_order) = client.rest().await;
        assert_eq!(ended_in_order, in_order);
        assert!(if in_order { rest.len() == 1_000 } else { rest.len() <= 1_000 }, "{}", rest.len());
        assert_eq!(guard.hits().connections, 1);
        proxy.close().await;
    }
}

#[tokio::test]
async fn corruption_changes_bytes_and_not_their_number() {
    let upstream = echo().await;
    let (proxy, mut client) = edge(&upstream).await;
    let guard = proxy.add(Rule::new(Toxic::Corrupt(Corrupt { one_in: 50 })).towards(RuleDirection::Client)).unwrap();
    let sent = noise(50_000);
    client.send(&sent).await;
    client.socket.shutdown().await.unwrap();
    let got = client.rest().await.0;
    let changed = got.iter().zip(&sent).filter(|(got, sent)| got != sent).count() as u64;
    assert_eq!(got.len(), sent.len());
    assert_eq!(changed, guard.hits().bytes);
    assert!((500..1_500).contains(&changed), "{changed}");
    proxy.close().await;
}

#[tokio::test]
async fn a_status_answers_in_place_of_the_upstream_on_an_open_connection() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    ping(&mut client).await;
    let only = RequestFilter { content: "\"store_memory\"".into(), ..RequestFilter::default() };
    let guard = proxy.add(Rule::new(status(503)).only(only)).unwrap();
    let (head, body) = client.post("/mcp", "{\"name\":\"store_memory\"}").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1\r\n") && body == "{}", "{head}");
    assert_eq!(
        client.post("/mcp", "{\"name\":\"get_memory\"}").await.unwrap().1,
        "/mcp got 21: {\"name\":\"get_memory\"}"
    );
    assert_eq!(guard.remove().operations, 1);
    assert!(client.post("/mcp", "{\"name\":\"store_memory\"}").await.unwrap().0.starts_with("HTTP/1.1 200 "));
    let passed_on: Vec<bool> = proxy.tap().take().iter().map(|exchange| exchange.passed_on).collect();
    assert_eq!(passed_on, [true, false, true, true]);
    proxy.close().await;
}

#[tokio::test]
async fn the_proxys_own_reply_waits_for_the_replies_before_it() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    let _guard = proxy
        .add(Rule::new(status(429)).only(RequestFilter { path: "/b".into(), ..RequestFilter::default() }))
        .unwrap();
    client.send(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /b2 HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.reply().await.unwrap().0.split(' ').nth(1).unwrap().to_owned());
    }
    assert_eq!(statuses, ["200", "429", "429", "200"]);
    proxy.close().await;
}

#[tokio::test]
async fn an_abort_ends_the_connection_before_or_after_the_upstream_does_the_work() {
    let upstream = http().await;
    for (moment, done) in [(Moment::Request, false), (Moment::Reply, true)] {
        for (ending, in_order) in [(Ending::Close, true), (Ending::Reset, false)] {
            let (proxy, mut client) = edge(&upstream).await;
            ping(&mut client).await;
            let abort = Abort { moment, after_bytes: 0, ending };
            let guard = proxy
                .add(
                    Rule::new(Toxic::Abort(abort))
                        .only(RequestFilter { content: "x".into(), ..RequestFilter::default() }),
                )
                .unwrap();
            ping(&mut client).await;
            client.send(b"POST /mcp HTTP/1.1\r\ncontent-length: 1\r\n\r\nx").await;
            assert_eq!(client.rest().await, (Vec::new(), in_order), "{moment:?} {ending:?}");
            assert!(proxy.tap().wait_for(PATIENCE, |log| log.len() == 3).await);
            let last = proxy.tap().take()[2].clone();
            assert_eq!((last.passed_on, last.complete), (done, done));
            assert_eq!(guard.hits().operations, 1);
            proxy.close().await;
        }
    }
}

#[tokio::test]
async fn an_abort_cuts_the_reply_after_the_configured_number_of_bytes() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    let _guard = proxy
        .add(Rule::new(Toxic::Abort(Abort { moment: Moment::Reply, after_bytes: 9, ending: Ending::Close })))
        .unwrap();
    client.send(b"GET /chunked HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.rest().await, (b"HTTP/1.1 ".to_vec(), true));
    proxy.close().await;
}

#[tokio::test]
async fn a_delay_holds_the_request_or_the_reply() {
    let upstream = http().await;
    for moment in [Moment::Request, Moment::Reply] {
        let (proxy, mut client) = edge(&upstream).await;
        let guard = proxy.add(Rule::new(Toxic::Delay(Delay { delay: NEVER, moment }))).unwrap();
        client.send(b"GET /held HTTP/1.1\r\n\r\n").await;
        while guard.hits().operations == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(guard.hits().operations, 1);
        assert!(nothing_arrived(&client), "the {moment:?} was not delayed");
        drop(guard);
        assert_eq!(client.reply().await.unwrap().1, "/held got 0: ");
        proxy.close().await;
    }
}

#[tokio::test]
async fn a_malformed_reply_arrives_after_the_upstream_did_the_work() {
    let upstream = http().await;
    let cases = [
        (Shape::Empty, "content-length: 2\r\n\r\n{}", true),
        (Shape::NotJson, "</html>", true),
        (Shape::HalfContent, "content-length: 8\r\n\r\n/mcp got", true),
        (Shape::OtherId, "\"result\":{}}", true),
        (Shape::ShortContent, "content-length: 16\r\n\r\n/mcp got", false),
        (Shape::NoHttp, "not HTTP\r\n\r\n", false),
    ];
    for (shape, end, goes_on) in cases {
        let (proxy, mut client) = edge(&upstream).await;
        let guard = proxy.add(Rule::new(Toxic::Malform(Malform { shape }))).unwrap();
        client.send(b"POST /mcp HTTP/1.1\r\ncontent-length: 4\r\n\r\npong").await;
        if goes_on {
            let (head, body) = client.reply().await.unwrap();
            assert!(format!("{head}{body}").ends_with(end), "{head}{body}");
            assert_eq!(guard.remove().operations, 1);
            ping(&mut client).await;
        } else {
            let rest = String::from_utf8_lossy(&client.rest().await.0).into_owned();
            assert!(rest.ends_with(end), "{rest}");
        }
        assert!(proxy.tap().take()[0].passed_on);
        proxy.close().await;
    }
}

#[tokio::test]
async fn a_reply_that_ends_with_the_connection_is_malformed_too() {
    let upstream = start(|mut socket| async move {
        let _ = socket.read(&mut [0; 1024]).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"id\":1}").await;
    })
    .await;
    let (proxy, mut client) = edge(&upstream).await;
    let guard = proxy.add(Rule::new(Toxic::Malform(Malform { shape: Shape::NotJson }))).unwrap();
    client.send(b"POST /mcp HTTP/1.1\r\ncontent-length: 4\r\n\r\npong").await;
    let rest = String::from_utf8_lossy(&client.rest().await.0).into_owned();
    assert!(rest.ends_with("</html>"), "{rest}");
    assert_eq!(guard.remove().operations, 1);
    proxy.close().await;
}

#[tokio::test]
async fn a_share_of_the_turns_of_an_unknown_protocol_is_reset() {
    let upstream = echo().await;
    let (proxy, mut client) = edge(&upstream).await;
    let guard = proxy.add(Rule::new(Toxic::Reset(Reset {})).share(0.4)).unwrap();
    let mut turns = 0;
    let mut buffer = [0; 64];
    // The chance that 200 turns in a row are spared is 10^-44; this seed does not spare them.
    while turns < 200 {
        client.send(format!("\u{1}ping {turns}").as_bytes()).await;
        match client.socket.read(&mut buffer).await {
            Ok(1..) => turns += 1,
            Ok(0) | Err(_) => break,
        }
    }
    assert!(turns < 200);
    assert_eq!(guard.hits().operations, 1);
    assert_eq!(proxy.tally().foreign, 1);
    proxy.close().await;
}

/// The example of every kind of toxic.
fn all() -> Vec<Toxic> {
    #[derive(serde::Deserialize)]
    struct Line {
        toxic: Toxic,
    }
    let example = |kind: &Kind| toml::from_str::<Line>(&format!("toxic = {}", kind.example)).unwrap().toxic;
    ALL.iter().map(example).collect()
}

#[tokio::test]
async fn an_edge_with_any_toxic_survives_clients_that_close_at_any_time() {
    let upstream = http().await;
    for toxic in all() {
        let kind = toxic.kind();
        let (proxy, _client) = edge(&upstream).await;
        let guards = [proxy.add(Rule::new(toxic.clone())).unwrap(), proxy.add(Rule::new(toxic).share(0.5)).unwrap()];
        for cut in [0, 1, 30, 60, 500, 2_000] {
            let Ok(mut client) = Client::open(proxy.address()).await else { continue };
            let request = format!("POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 3000\r\n\r\n{}", "z".repeat(3_000));
            // The connection may have been reset already. The test is about leaving in the middle.
            let _ = client.socket.write_all(&request.as_bytes()[..cut]).await;
            drop(client);
        }
        drop(guards);
        let mut client = Client::to(proxy.address()).await;
        assert_eq!(
            client.post("/after", &"y".repeat(100_000)).await.unwrap().1.len(),
            "/after got 100000: ".len() + 100_000,
            "{kind}"
        );
        drop(client);
        let empty = async {
            while proxy.tally().open > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, empty).await.unwrap_or_else(|_| panic!("{kind}: connections stay open"));
        proxy.close().await;
    }
}

#[tokio::test]
async fn every_toxic_can_be_removed_in_the_middle_of_a_request() {
    let upstream = http().await;
    for toxic in all() {
        let kind = toxic.kind();
        let (proxy, mut client) = edge(&upstream).await;
        let guard = proxy.add(Rule::new(toxic).share(0.999)).unwrap();
        client.send(b"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc").await;
        while proxy.tally().operations == 0 {
            tokio::task::yield_now().await;
        }
        // The request is incomplete, so the rule was not drawn yet. After its removal the request passes unchanged.
        guard.remove();
        client.send(b"def").await;
        assert_eq!(client.reply().await.unwrap().1, "/mcp got 6: abcdef", "{kind}");
        proxy.close().await;
    }
}

#[tokio::test]
async fn closing_ends_a_hanging_edge_at_once() {
    let upstream = http().await;
    let (proxy, mut client) = edge(&upstream).await;
    let guard = proxy.add(Rule::new(Toxic::Hang(Hang {}))).unwrap();
    client.send(b"GET / HTTP/1.1\r\n\r\n").await;
    tokio::time::timeout(PATIENCE, proxy.close()).await.unwrap();
    assert!(!client.rest().await.1);
    drop(guard);
}
