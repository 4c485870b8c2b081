//! Spans reach a collector over OTLP, as part of the caller's trace.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use http::{HeaderMap, HeaderValue};
use mcp_contracts::{Service, env};
use mcp_kit::Settings;
use mcp_kit::telemetry::{Telemetry, inject};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const DEADLINE: Duration = Duration::from_secs(20);

/// Accepts one request, replies with 200 and returns head and body.
fn collect_one(listener: &TcpListener) -> Vec<u8> {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let (mut request, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut chunk).unwrap();
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let length =
            text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        let body = request.windows(4).position(|end| end == b"\r\n\r\n").map(|head| request.len() - head - 4);
        if read == 0 || (length.is_some() && body >= length) {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_span_of_its_callers_trace_and_passes_it_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let values = BTreeMap::from([(env::OTEL_EXPORTER_OTLP_ENDPOINT.to_owned(), endpoint)]);
    let settings = Settings::from_values(Service::Memory, &values).unwrap();
    let collected = std::thread::spawn(move || collect_one(&listener));
    let (telemetry, guard) = Telemetry::start(&settings);

    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_str(&format!("00-{TRACE}-b7ad6b7169203331-01")).unwrap());
    let span = telemetry.span(&headers, Service::Memory, "store_memory", "e1");
    assert_eq!(span.trace_id(), Some(TRACE));
    let outgoing = span
        .follow(async {
            let mut outgoing = HeaderMap::new();
            inject(&mut outgoing);
            outgoing
        })
        .await;
    let carried = outgoing["traceparent"].to_str().unwrap();
    assert!(carried.contains(TRACE) && !carried.contains("b7ad6b7169203331"), "{carried}");
    drop(span);
    guard.flush(DEADLINE).await;

    let request = collected.join().unwrap();
    let contains = |wanted: &[u8]| request.windows(wanted.len()).any(|window| window == wanted);
    assert!(String::from_utf8_lossy(&request).starts_with("POST /v1/traces"));
    assert!(contains(b"tools/call store_memory") && contains(b"mcp-memory"));
    let trace: Vec<u8> = (0..16).map(|byte| u8::from_str_radix(&TRACE[byte * 2..byte * 2 + 2], 16).unwrap()).collect();
    assert!(contains(&trace), "the span is not part of the caller's trace");
}
