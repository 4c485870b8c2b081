//! A service that receives SIGTERM stops being ready first, still answers until the drain begins, and exits with 0.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/service.rs"]
mod service;

use mcp_contracts::env;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use service::{PATIENCE, Service, client, content_of, database, store, token, token_of};
use std::time::Instant;

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
