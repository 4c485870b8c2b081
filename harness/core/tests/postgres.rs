//! A stack with a Postgres server: the instances of memory share it, faults reach every process of the server, and nothing of it remains.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/callers.rs"]
mod callers;
#[path = "support/stack.rs"]
mod stack;
#[path = "support/wait.rs"]
mod wait;

use callers::{client, client_with};
use harness_core::drive::client::{Client, ClientOptions};
use harness_core::fault::{FaultKind, Injector, Pause};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::Stack;
use harness_history::Outcome;
use mcp_contracts::Service;
use serde_json::{Value, json};
use stack::{request, start};
use std::path::Path;
use std::time::Duration;
use wait::wait_until;

/// Deadline of a call while the server hangs: shorter than those of memory.
const HURRY: Duration = Duration::from_secs(1);

async fn stack_of(dir: &Path, instances: u32) -> Stack {
    let topology = Topology::memory().without_redis().with_postgres();
    let topology = if instances > 1 { topology.instances(Service::Memory, instances) } else { topology };
    start(&request(dir, Backend::Process, topology)).await.unwrap()
}

async fn store(client: &mut Client, content: &str) -> Value {
    let stored = client.call("store_memory", &json!({ "content": content })).await;
    assert_eq!(stored.outcome, Outcome::Ok, "{content}");
    let stored: Value = serde_json::from_str(stored.structured.unwrap()).unwrap();
    json!({ "id": stored["id"] })
}

async fn read(client: &mut Client, by_id: &Value) -> Result<(), String> {
    let outcome = client.call("get_memory", by_id).await.outcome;
    if outcome == Outcome::Ok { Ok(()) } else { Err(format!("{outcome:?}")) }
}

/// Returns the number of processes of the server: those in its folder.
fn processes(dir: &Path) -> usize {
    let folder = dir.join("data/postgres").canonicalize().unwrap();
    let all = procfs::process::all_processes().unwrap().flatten();
    let alive = all.filter(|process| process.stat().is_ok_and(|stat| stat.state != 'Z'));
    alive.filter(|process| process.cwd().is_ok_and(|cwd| cwd == folder)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_give_one_answer_and_a_killed_server_comes_back_with_every_write() {
    let dir = tempfile::tempdir().unwrap();
    let stack = stack_of(dir.path(), 2).await;
    let (mut one, mut two) = (client(&stack, "memory-1"), client(&stack, "memory-2"));
    let by_id = store(&mut one, "written at one").await;
    assert_eq!(two.call("get_memory", &by_id).await.outcome, Outcome::Ok, "the other instance has it");
    assert!(processes(dir.path()) > 3, "the server has several processes");

    let before = stack.part("postgres").unwrap();
    stack.kill("postgres").await.unwrap();
    assert_eq!(processes(dir.path()), 0, "a kill leaves no process of the server");
    assert_ne!(one.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    let after = stack.start_again("postgres").await.unwrap();
    assert_eq!(after.url, before.url, "it keeps its address");
    for client in [&mut one, &mut two] {
        wait_until("an acknowledged write is there", async || read(client, &by_id).await).await;
    }

    assert!(stack.restart("postgres").await.unwrap().cleanly(), "it shuts down in order");
    wait_until("both read again", async || read(&mut two, &by_id).await).await;
    store(&mut two, "written after a restart").await;
    assert!(stack.log("postgres").await.unwrap().contains("database system is shut down"));
    stack.stop().await.unwrap();
    assert_eq!(processes(dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_answers_no_client_until_it_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let stack = stack_of(dir.path(), 1).await;
    let mut client = client_with(&stack, "memory", ClientOptions { deadline: HURRY, ..ClientOptions::default() });
    let by_id = store(&mut client, "written before the pause").await;
    let injector = Injector::new(&stack, dir.path());
    let pause = injector.inject(&FaultKind::Pause(Pause { part: "postgres".to_owned() })).await.unwrap();
    // Also over a connection that was open before: its process is stopped as well.
    assert_ne!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    pause.heal().await.unwrap();
    wait_until("memory answers again", async || read(&mut client, &by_id).await).await;

    stack.pause("postgres").await.unwrap();
    assert!(stack.terminate("postgres").await.unwrap().cleanly(), "a paused server can be stopped");
    drop(injector);
    // Without `stop`: what is dropped ends its processes all the same.
    drop(stack);
    let is_gone = async || match processes(dir.path()) {
        0 => Ok(()),
        left => Err(format!("{left} are left")),
    };
    wait_until("no process of the server remains", is_gone).await;
}
