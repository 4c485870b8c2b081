//! The process backend with real programs: instances share a database, and a part that has ended is started again at its address.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/callers.rs"]
mod callers;
#[path = "support/stack.rs"]
mod stack;

use callers::client;
use harness_core::drive::client::Client;
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::StackError;
use harness_history::Outcome;
use mcp_contracts::Service;
use serde_json::{Value, json};
use stack::{request, start};
use std::time::Duration;

async fn store(client: &mut Client) -> Value {
    let stored = client.call("store_memory", &json!({ "content": "kept by two" })).await;
    let stored: Value = serde_json::from_str(stored.structured.unwrap()).unwrap();
    json!({ "id": stored["id"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_a_database_and_come_back_at_their_address() {
    let dir = tempfile::tempdir().unwrap();
    let request = request(dir.path(), Backend::Process, Topology::memory().instances(Service::Memory, 2));
    let stack = start(&request).await.unwrap();
    let names: Vec<String> = stack.parts().into_iter().map(|part| part.name).collect();
    assert_eq!(names, ["redis", "memory-1", "memory-2"]);
    let (mut one, mut two) = (client(&stack, "memory-1"), client(&stack, "memory-2"));
    let by_id = store(&mut one).await;
    assert_eq!(two.call("get_memory", &by_id).await.outcome, Outcome::Ok);

    let before = stack.part("memory-1").unwrap();
    stack.kill("memory-1").await.unwrap();
    assert_ne!(one.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    assert!(matches!(stack.kill("memory-1").await, Err(StackError::Control { .. })), "it is dead already");
    let after = stack.start_again("memory-1").await.unwrap();
    assert_eq!((&after.url, after.pid == before.pid), (&before.url, false));
    assert_eq!(one.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    assert!(matches!(stack.start_again("memory-1").await, Err(StackError::Control { .. })), "it runs already");

    assert!(stack.restart("memory-2").await.unwrap().cleanly());
    assert!(stack.log("memory-2").await.unwrap().contains("draining"));
    assert!(stack.metrics("memory-2").await.unwrap().contains("# TYPE"));
    assert!(stack.write_file(Service::Memory, "a.yaml", "").is_err(), "it has no folder of files");
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_part_answers_when_it_is_resumed_and_ends_cleanly_while_it_is_paused() {
    let dir = tempfile::tempdir().unwrap();
    let stack = start(&request(dir.path(), Backend::Process, Topology::memory().without_redis())).await.unwrap();
    let mut client = client(&stack, "memory");
    let by_id = store(&mut client).await;
    stack.pause("memory").await.unwrap();
    let mut call = Box::pin(client.call("get_memory", &by_id));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut call).await;
    assert!(early.is_err(), "it is paused and answers: {early:?}");
    stack.resume("memory").await.unwrap();
    assert_eq!(call.await.outcome, Outcome::Ok, "the call that waited is answered");

    stack.pause("memory").await.unwrap();
    assert!(stack.terminate("memory").await.unwrap().cleanly());
    assert!(matches!(stack.pause("memory").await, Err(StackError::Control { .. })), "it has ended");
    stack.start_again("memory").await.unwrap();
    stack.pause("memory").await.unwrap();
    stack.stop().await.unwrap();
    assert!(std::fs::read_to_string(dir.path().join("logs/memory.log")).unwrap().matches("draining").count() == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_whose_parts_have_ended_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let stack = start(&request(dir.path(), Backend::Process, Topology::memory().without_redis())).await.unwrap();
    stack.kill("memory").await.unwrap();
    assert!(stack.tapped_exchanges("memory", "redis").is_none());
    assert!(stack.kill("nothing").await.unwrap_err().to_string().contains("no such part"));
    stack.stop().await.unwrap();
}
