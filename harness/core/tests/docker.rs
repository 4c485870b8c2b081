//! The docker backend with a real daemon: a stack starts on loopback, answers, and leaves nothing in Docker, however it ends.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/callers.rs"]
mod callers;
#[path = "support/stack.rs"]
mod stack;
#[path = "support/wait.rs"]
mod wait;

use callers::client;
use harness_core::drive::client::Endpoint;
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::StackRequest;
use harness_core::stack::labelled;
use harness_history::Outcome;
use stack::start;
use std::path::Path;
use wait::wait_until;

fn request(dir: &Path) -> StackRequest {
    stack::request(dir, Backend::Docker, Topology::memory())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_containers_answers_on_loopback_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stack = start(&request(dir.path())).await.unwrap();
    let label = stack.label().unwrap().to_owned();
    let endpoint: Endpoint = stack.endpoints()["memory"].parse().unwrap();
    assert_eq!(endpoint.host(), "127.0.0.1");
    let mut client = client(&stack, "memory");
    let stored = client.call("store_memory", &serde_json::json!({ "content": "kept in a container" })).await;
    assert_eq!(stored.outcome, Outcome::Ok);
    assert!(stack.parts().iter().all(|part| part.container.is_some() && part.pid.is_some()));
    stack.stop().await.unwrap();
    assert_eq!(labelled::count(&label).await.unwrap(), 0);
    let log = std::fs::read_to_string(dir.path().join("logs/memory.log")).unwrap();
    assert!(log.contains("draining"), "the service got no SIGTERM: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_one_database_and_one_can_restart_without_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = request(dir.path());
    request.topology = Topology::memory().instances(mcp_contracts::Service::Memory, 2);
    let stack = start(&request).await.unwrap();
    let label = stack.label().unwrap().to_owned();
    let (mut one, mut two) = (client(&stack, "memory-1"), client(&stack, "memory-2"));
    let stored = one.call("store_memory", &serde_json::json!({ "content": "kept in a shared volume" })).await;
    let stored: serde_json::Value = serde_json::from_str(stored.structured.unwrap()).unwrap();
    let by_id = serde_json::json!({ "id": stored["id"] });
    assert_eq!(two.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    assert!(stack.terminate("memory-1").await.unwrap().cleanly());
    stack.start_again("memory-1").await.unwrap();
    assert_eq!(one.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    assert_eq!(stack.log("memory-1").await.unwrap().matches("draining").count(), 1);
    stack.stop().await.unwrap();
    assert_eq!(labelled::count(&label).await.unwrap(), 0, "the volume remains");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_start_is_reported_with_the_end_of_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = request(dir.path());
    request.topology.parts[1].settings.insert("DATABASE_URL".to_owned(), "oracle://nowhere".to_owned());
    let error = start(&request).await.err().unwrap().to_string();
    assert!(error.contains("DATABASE_URL"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_is_reported_with_the_command_that_builds_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = request(dir.path());
    request.image_tag = "of-no-release".to_owned();
    let error = start(&request).await.err().unwrap().to_string();
    assert!(error.contains("mcp-memory:of-no-release") && error.contains("make images"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_dropped_without_a_stop_is_reaped() {
    let dir = tempfile::tempdir().unwrap();
    let stack = start(&request(dir.path())).await.unwrap();
    let label = stack.label().unwrap().to_owned();
    // As after a panic: `stop` is not called.
    drop(stack);
    wait_until("containers or networks remain", async || match labelled::count(&label).await.unwrap() {
        0 => Ok(()),
        count => Err(count),
    })
    .await;
}
