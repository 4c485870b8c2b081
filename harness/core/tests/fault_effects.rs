//! Every kind of fault on real programs: it has its effect while it acts, and the heal restores its target.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/callers.rs"]
mod callers;
#[path = "support/stack.rs"]
mod stack;
#[path = "support/wait.rs"]
mod wait;

use callers::{client, client_with};
use harness_core::drive::client::{Client, ClientOptions};
use harness_core::drive::experiment::find;
use harness_core::drive::token::{Grant, Minter};
use harness_core::fault::{
    CpuSqueeze, DatabaseLocked, DiskFull, FaultError, FaultKind, Injector, Kill, MemorySqueeze, Network, Pause,
    Restart, Stop,
};
use harness_core::plan::Backend;
use harness_core::plan::topology::{CLIENT, Topology};
use harness_core::stack::{Fixture, Stack, StackRequest};
use harness_history::{ErrorKind, Outcome};
use serde_json::{Value, json};
use stack::{SECRET, request, start};
use std::time::Duration;
use wait::wait_until;

/// Deadline of a call: long enough for a part that answers, and short, because a paused part answers nothing.
const DEADLINE: Duration = Duration::from_secs(2);

fn memory() -> String {
    "memory".to_owned()
}

async fn memory_alone() -> (tempfile::TempDir, Stack) {
    stack_of(Topology::memory().without_redis()).await
}

async fn stack_of(topology: Topology) -> (tempfile::TempDir, Stack) {
    let dir = tempfile::tempdir().unwrap();
    let stack = start(&request(dir.path(), Backend::Process, topology)).await.unwrap();
    (dir, stack)
}

/// A client with a short deadline.
fn hurried(stack: &Stack) -> Client {
    client_with(stack, "memory", ClientOptions { deadline: DEADLINE, ..ClientOptions::default() })
}

async fn store(client: &mut Client, content: &str) -> (Outcome, Value) {
    let call = client.call("store_memory", &json!({ "content": content })).await;
    let reply = call.structured.map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
    (call.outcome, reply)
}

async fn stored(client: &mut Client, content: &str) -> Value {
    let (outcome, reply) = store(client, content).await;
    assert_eq!(outcome, Outcome::Ok, "{content}: {reply}");
    json!({ "id": reply["id"] })
}

async fn metric(stack: &Stack, name: &str) -> f64 {
    let text = stack.metrics("memory").await.unwrap();
    let series = text.lines().filter(|line| line.starts_with(name));
    series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_killed_or_stopped_comes_back_with_its_data() {
    let (dir, stack) = memory_alone().await;
    let injector = Injector::new(&stack, dir.path());
    let mut client = client(&stack, "memory");
    let by_id = stored(&mut client, "before any fault").await;
    for fault in [FaultKind::Kill(Kill { part: memory() }), FaultKind::Stop(Stop { part: memory() })] {
        let active = injector.inject(&fault).await.unwrap();
        assert_ne!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok, "{}", fault.name());
        let again = injector.inject(&fault).await;
        assert!(matches!(again, Err(FaultError::Stack { .. })), "the part has ended already");
        assert_eq!(active.heal().await.unwrap().hits, None);
        assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok, "{}", fault.name());
    }
    let before = stack.part("memory").unwrap();
    injector.inject(&FaultKind::Restart(Restart { part: memory() })).await.unwrap().heal().await.unwrap();
    let after = stack.part("memory").unwrap();
    assert_eq!((after.url == before.url, after.pid == before.pid), (true, false));
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_part_answers_nothing_and_its_stack_can_be_stopped() {
    let (dir, stack) = memory_alone().await;
    let injector = Injector::new(&stack, dir.path());
    let mut client = hurried(&stack);
    let by_id = stored(&mut client, "before the pause").await;
    let fault = FaultKind::Pause(Pause { part: memory() });
    let active = injector.inject(&fault).await.unwrap();
    let silent = client.call("get_memory", &by_id).await.outcome;
    assert_eq!(silent, Outcome::Unknown(ErrorKind::Timeout));
    active.heal().await.unwrap();
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok);

    drop(injector.inject(&fault).await.unwrap());
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok, "a dropped guard heals too");
    stack.pause("memory").await.unwrap();
    stack.stop().await.unwrap();
    let log = std::fs::read_to_string(dir.path().join("logs/memory.log")).unwrap();
    assert!(log.contains("draining"), "it was not stopped by SIGTERM: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_acts_on_its_way_only_and_counts_its_hits() {
    let (dir, stack) = stack_of(Topology::memory().proxied(CLIENT, "memory").proxied("memory", "redis")).await;
    let injector = Injector::new(&stack, dir.path());
    let way = |from: &str, to: &str, toxic: Value| {
        let rule = serde_json::from_value(json!({ "toxic": toxic })).unwrap();
        FaultKind::Network(Network { from: from.to_owned(), to: to.to_owned(), rule })
    };
    let mut client = hurried(&stack);
    let by_id = stored(&mut client, "through two proxies").await;
    assert!(stack.proxy("memory", "redis").unwrap().tally().connections > 0, "the quota does not use its proxy");

    let hang = injector.inject(&way(CLIENT, "memory", json!({ "kind": "hang" }))).await.unwrap();
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Unknown(ErrorKind::Timeout));
    let (hits, by) = hang.heal().await.unwrap().hits.unwrap();
    assert!(hits >= 1 && by.contains("`hang`"), "{hits} {by}");
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok);

    let unverified = metric(&stack, "mcp_rate_limit_unverified_total").await;
    let reset = injector.inject(&way("memory", "redis", json!({ "kind": "reset" }))).await.unwrap();
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok, "memory does not need its Redis");
    assert!(metric(&stack, "mcp_rate_limit_unverified_total").await > unverified, "Redis was reached");
    assert!(reset.hits().unwrap().0 >= 1);
    drop(reset);
    assert_eq!(stack.proxy("memory", "redis").unwrap().rules(), 0, "a dropped guard removes its rule");

    let missing = injector.inject(&way("redis", "memory", json!({ "kind": "hang" }))).await.err();
    assert!(matches!(missing, Some(FaultError::NoProxy { .. })));
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_writes_fail_as_storage_full_and_reads_succeed() {
    let (dir, stack) = memory_alone().await;
    let injector = Injector::new(&stack, dir.path());
    let mut client = client(&stack, "memory");
    let by_id = stored(&mut client, "while there was room").await;
    let active = injector.inject(&FaultKind::DiskFull(DiskFull { part: memory() })).await.unwrap();
    for number in 0..3 {
        let (outcome, reply) = store(&mut client, &format!("number {number} finds no room")).await;
        assert_eq!(outcome, Outcome::Failed(ErrorKind::Tool("storage_full".into())), "{reply}");
    }
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    active.heal().await.unwrap();
    let later = stored(&mut client, "after room was made").await;
    assert_eq!(client.call("get_memory", &later).await.outcome, Outcome::Ok);
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_hits_the_real_service_behind_a_broken_one() {
    let lying = Topology::memory().without_redis().with_lie(mcp_contracts::Service::Memory, "quota-not-counted");
    let (dir, stack) = stack_of(lying).await;
    let injector = Injector::new(&stack, dir.path());
    let mut client = client(&stack, "memory");
    let active = injector.inject(&FaultKind::DiskFull(DiskFull { part: memory() })).await.unwrap();
    let (outcome, reply) = store(&mut client, "finds no room behind the liar").await;
    assert_eq!(outcome, Outcome::Failed(ErrorKind::Tool("storage_full".into())), "{reply}");
    active.heal().await.unwrap();
    stored(&mut client, "after room was made").await;
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_locked_writes_fail_and_reads_succeed() {
    let (dir, stack) = memory_alone().await;
    let injector = Injector::new(&stack, dir.path());
    let mut client = hurried(&stack);
    let by_id = stored(&mut client, "before the lock").await;
    let active = injector.inject(&FaultKind::DatabaseLocked(DatabaseLocked { part: memory() })).await.unwrap();
    let (outcome, reply) = store(&mut client, "while it is locked").await;
    assert_ne!(outcome, Outcome::Ok, "{reply}");
    assert_eq!(client.call("get_memory", &by_id).await.outcome, Outcome::Ok);
    active.heal().await.unwrap();
    stored(&mut client, "after the lock").await;
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_rule_file_is_in_force_until_it_is_restored() {
    let experiment = find("policy-change", None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut guardrails = Topology::full().without_redis();
    guardrails.parts.retain(|part| part.name == "guardrails");
    let fixtures = experiment.given.iter().map(Fixture::from).collect();
    let request = StackRequest { fixtures, ..stack::request(dir.path(), Backend::Process, guardrails) };
    let stack = start(&request).await.unwrap();
    let injector = Injector::new(&stack, dir.path());
    let mut client = client(&stack, "guardrails");
    client.set_token(&Minter::new(SECRET).mint(&Grant::everything("acme", "ann")).unwrap());
    let mut expect_verdict = async |expected: &str| {
        let about = json!({ "action": "answer", "intent": "p99 of checkout rose", "text": "a note" });
        wait_until(expected, async || {
            let call = client.call("check_guardrails", &about).await;
            let reply: Value = call.structured.map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
            if reply["verdict"] == expected { Ok(()) } else { Err(reply) }
        })
        .await;
    };
    expect_verdict("allow").await;
    let active = injector.inject(&experiment.faults[0].fault).await.unwrap();
    expect_verdict("block").await;
    active.heal().await.unwrap();
    expect_verdict("allow").await;
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squeezed_part_gets_its_share_only() {
    let (dir, stack) = memory_alone().await;
    let injector = Injector::new(&stack, dir.path());
    let mut client = client(&stack, "memory");
    let fault = FaultKind::CpuSqueeze(CpuSqueeze { part: memory(), percent: 1 });
    if let Some(why) = fault.unavailable_on_machine(&Backend::Process) {
        assert!(matches!(injector.inject(&fault).await, Err(FaultError::Refused { .. })), "{why}");
        stack.stop().await.unwrap();
        return;
    }
    let active = injector.inject(&fault).await.unwrap();
    let log = std::fs::read_to_string(dir.path().join("undo.jsonl")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let group = lines.filter_map(|line| line["owed"]["undo"]["group"].as_str().map(str::to_owned)).next().unwrap();
    let throttled = || {
        let text = std::fs::read_to_string(format!("{group}/cpu.stat")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok()).unwrap()
    };
    wait_until("it is not throttled", async || {
        store(&mut client, "work for a hundredth of a core").await;
        if throttled() > 0 { Ok(()) } else { Err("the counter of its group is 0") }
    })
    .await;
    active.heal().await.unwrap();
    assert!(!std::path::Path::new(&group).exists());
    stored(&mut client, "with all cores again").await;

    let fault = FaultKind::MemorySqueeze(MemorySqueeze { part: memory(), mebibytes: 256 });
    let active = injector.inject(&fault).await.unwrap();
    stored(&mut client, "within its memory").await;
    active.heal().await.unwrap();
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_ended_by_its_squeeze_is_back_after_the_fault() {
    let (dir, stack) = memory_alone().await;
    let injector = Injector::new(&stack, dir.path());
    let fault = FaultKind::MemorySqueeze(MemorySqueeze { part: memory(), mebibytes: 64 });
    if fault.unavailable_on_machine(&Backend::Process).is_none() {
        let active = injector.inject(&fault).await.unwrap();
        // As the system does if a group has no more memory.
        let pid = stack.part("memory").unwrap().pid.unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), nix::sys::signal::Signal::SIGKILL)
            .unwrap();
        active.heal().await.unwrap();
        stored(&mut client(&stack, "memory"), "after its end").await;
    }
    stack.stop().await.unwrap();
}
