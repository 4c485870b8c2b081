//! A service that is told to end leaves like a guest: it says so first, finishes what it began, and ends with 0.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/service.rs"]
mod service;

use mcp_contracts::env;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use service::{PATIENCE, Service, client, content_of, database, store, token, token_of};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn between_the_signal_and_the_drain_calls_are_answered_and_readiness_says_no() {
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
        assert!(since.elapsed() < PATIENCE, "readiness does not tell of the end");
    }
    let id = store(&client, &service.url, &token, "stored while leaving").await;
    // A second signal is impatience: the drain begins, and the end is clean all the same.
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(service.child.wait().unwrap().success());
    let again = Service::start(folder.path()).await;
    assert_eq!(
        content_of(&client, &again.url, &token_of("acme", "ann", "default"), &id).await.unwrap(),
        "stored while leaving"
    );
    assert!(database(folder.path()).exists());
    again.kill();
}
