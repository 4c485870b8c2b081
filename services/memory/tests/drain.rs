//! A service that receives SIGTERM stops being ready first, still answers until the drain begins, and exits with 0.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/service.rs"]
mod service;

use mcp_contracts::env;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use service::{PATIENCE, Service, call, client, content_of, database, store, token, token_of};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Sends the head of a request whose body never comes.
fn begin_request(service: &Service, token: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(service.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Waits until the service handles a request, sends SIGTERM and returns the exit code.
async fn exit_code_while_a_request_is_handled(service: &mut Service) -> Option<i32> {
    let (client, metrics, since) = (client(), format!("{}/metrics", service.url), Instant::now());
    let in_flight = async || {
        let text = client.get(&metrics).send().await.unwrap().text().await.unwrap();
        text.lines().any(|line| line.starts_with("mcp_requests_in_flight") && line.ends_with(" 1"))
    };
    while !in_flight().await {
        assert!(since.elapsed() < PATIENCE, "the request did not begin");
    }
    kill(Pid::from_raw(service.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    loop {
        if let Some(status) = service.child.try_wait().unwrap() {
            return status.code();
        }
        assert!(since.elapsed() < PATIENCE, "the process did not end");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn start_with_short_drain(folder: &Path) -> Service {
    let mut command = Service::command(folder);
    command.env(env::DRAIN_DEADLINE_MS, "300").env(env::REQUEST_DEADLINE_MS, "3600000");
    Service::start_with(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_ends_at_its_drain_deadline_and_reports_that_work_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = start_with_short_drain(folder.path()).await;
    let (token, client, url) = (token(), client(), service.url.clone());
    // The lock of another process, for which the write waits longer than the drain takes.
    let other = rusqlite::Connection::open(database(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = call(&client, &url, &token, "store_memory", json!({ "content": "waits" }));
    let (code, reply) = tokio::join!(exit_code_while_a_request_is_handled(&mut service), waiting);
    assert_eq!((code, reply), (Some(75), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_body_never_comes_is_no_work_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = start_with_short_drain(folder.path()).await;
    let half_sent = begin_request(&service, &token());
    assert_eq!(exit_code_while_a_request_is_handled(&mut service).await, Some(0));
    drop(half_sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn between_sigterm_and_drain_calls_are_answered_and_the_service_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Service::command(folder.path());
    command.env(env::DRAIN_NOTICE_MS, "600000");
    let mut service = Service::start_with(command).await;
    let (token, client) = (token(), client());
    let pid = Pid::from_raw(service.child.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    let since = Instant::now();
    loop {
        let ready = client.get(format!("{}/readyz", service.url)).send().await.unwrap();
        if ready.status() == 503 {
            assert!(ready.text().await.unwrap().contains("draining"));
            break;
        }
        assert!(since.elapsed() < PATIENCE, "the service still reports that it is ready");
    }
    let id = store(&client, &service.url, &token, "stored after SIGTERM").await;
    // A second signal begins the drain at once; the exit is still clean.
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(service.child.wait().unwrap().success());
    let again = Service::start(folder.path()).await;
    assert_eq!(
        content_of(&client, &again.url, &token_of("acme", "ann", "default"), &id).await.unwrap(),
        "stored after SIGTERM"
    );
    assert!(database(folder.path()).exists());
    again.kill();
}
