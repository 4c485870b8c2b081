//! An edge without rules: every byte and every end passes, and the tap records the exchanges.

#[path = "support/wire.rs"]
mod wire;

use chaos_proxy::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::{Client, PATIENCE, echo, http, noise, start};

#[tokio::test]
async fn every_byte_passes_both_ways_and_a_half_close_passes_too() {
    let upstream = echo().await;
    let proxy = Proxy::start("echo", upstream.address).await.unwrap();
    let sent = noise(3 << 20);
    let mut client = Client::to(proxy.address()).await;
    let (mut reader, mut writer) = client.socket.split();
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let ((), read) = tokio::join!(write, reader.read_to_end(&mut received));
    read.unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    let tally = proxy.tally();
    assert_eq!((tally.bytes_up, tally.bytes_down, tally.connections), (3 << 20, 3 << 20, 1));
    assert_eq!(tally.foreign, 1, "noise is not HTTP");
    proxy.close().await;
}

#[tokio::test]
async fn the_tap_records_requests_and_replies_but_no_credential() {
    let upstream = http().await;
    let proxy = Proxy::start("patterns", upstream.address).await.unwrap();
    let mut client = Client::to(proxy.address()).await;
    assert_eq!(client.post("/mcp", "one").await.unwrap().1, "/mcp got 3: one");
    assert_eq!(client.post("/chunked", "two!").await.unwrap().1, "/chunked got 4: two!");
    client.send(b"POST /mcp HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nthr\r\n2\r\nee\r\n0\r\n\r\nGET /last HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.reply().await.unwrap().1, "/mcp got 5: three");
    assert_eq!(client.reply().await.unwrap().1, "/last got 0: ");
    let tap = proxy.tap();
    assert!(tap.wait_for(PATIENCE, |log| log.len() == 4).await);
    let log = tap.take();
    let exchanges: Vec<_> = log
        .iter()
        .map(|exchange| {
            (exchange.method.as_str(), exchange.path.as_str(), &exchange.request_body[..], &exchange.reply_body[..])
        })
        .collect();
    assert_eq!(
        exchanges,
        [
            ("POST", "/mcp", &b"one"[..], &b"/mcp got 3: one"[..]),
            ("POST", "/chunked", b"two!", b"/chunked got 4: two!"),
            ("POST", "/mcp", b"three", b"/mcp got 5: three"),
            ("GET", "/last", b"", b"/last got 0: "),
        ]
    );
    assert!(log.iter().all(|exchange| exchange.complete && exchange.passed_on && exchange.status == Some(200)));
    assert_eq!(log[0].request_header("mcp-name"), Some("store_memory"));
    assert!(!format!("{log:?}").contains("s3cret"), "{log:?}");
    assert_eq!((tap.missed(), proxy.tally().operations, proxy.tally().foreign), (0, 4, 0));
    proxy.close().await;
}

#[tokio::test]
async fn a_tap_that_is_off_records_nothing() {
    let upstream = http().await;
    let proxy = Proxy::start("patterns", upstream.address).await.unwrap();
    proxy.tap().record(false);
    let mut client = Client::to(proxy.address()).await;
    client.post("/a", "unrecorded").await.unwrap();
    proxy.tap().record(true);
    client.post("/b", "recorded").await.unwrap();
    assert!(proxy.tap().wait_for(PATIENCE, |log| log.len() == 1).await);
    assert_eq!(proxy.tap().take()[0].path, "/b");
    proxy.close().await;
}

#[tokio::test]
async fn a_cut_exchange_is_recorded_as_incomplete() {
    let upstream = start(|mut socket| async move {
        let mut buffer = [0; 1024];
        let _ = socket.read(&mut buffer).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    })
    .await;
    let proxy = Proxy::start("memory", upstream.address).await.unwrap();
    let mut client = Client::to(proxy.address()).await;
    assert!(client.post("/mcp", "x").await.is_none());
    drop(client);
    assert!(proxy.tap().wait_for(PATIENCE, |log| log.len() == 1).await);
    let log = proxy.tap().take();
    assert_eq!((log[0].complete, log[0].status, &log[0].reply_body[..]), (false, Some(200), &b"half"[..]));
    proxy.close().await;
}

#[tokio::test]
async fn a_reset_of_one_end_is_a_reset_at_the_other() {
    let upstream = start(|socket| async move { socket.set_zero_linger().unwrap() }).await;
    let proxy = Proxy::start("memory", upstream.address).await.unwrap();
    let mut client = Client::to(proxy.address()).await;
    assert_eq!(client.rest().await, (Vec::new(), false));
    proxy.close().await;
}

#[tokio::test]
async fn without_an_upstream_a_connection_is_reset_and_counted() {
    let closed = echo().await.address;
    let proxy = Proxy::start("memory", closed).await.unwrap();
    let mut client = Client::to(proxy.address()).await;
    assert_eq!(client.rest().await, (Vec::new(), false));
    assert_eq!(proxy.tally().without_upstream, 1);
    let upstream = http().await;
    proxy.set_upstream(upstream.address);
    assert!(Client::to(proxy.address()).await.post("/again", "").await.is_some());
    proxy.close().await;
}

#[tokio::test]
async fn closing_ends_every_connection_and_the_listener() {
    let upstream = http().await;
    let proxy = Proxy::start("memory", upstream.address).await.unwrap();
    let address = proxy.address();
    let mut client = Client::to(address).await;
    client.post("/mcp", "x").await.unwrap();
    proxy.close().await;
    assert!(!client.rest().await.1, "reset");
    assert!(TcpStream::connect(address).await.is_err());

    let dropped = Proxy::start("memory", upstream.address).await.unwrap();
    let address = dropped.address();
    let mut client = Client::to(address).await;
    client.post("/mcp", "x").await.unwrap();
    drop(dropped);
    assert_eq!(client.rest().await.0, b"");
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
}
