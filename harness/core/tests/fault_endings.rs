//! Every fault, with every way in which a harness can end: two seconds later nothing of the fault remains. The harness
//! is a small program that injects one fault. Its stack outlives it, so that something of the fault could remain there.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/holder.rs"]
mod holder;

use harness_core::fault::{
    CpuSqueeze, DatabaseLocked, DiskFull, FaultKind, FileChanged, Kill, MemorySqueeze, Network, Pause, Recovered,
    Redis, RedisState, Restart, Stop, recover,
};
use harness_core::plan::topology::{CLIENT, Topology};
use holder::{Ending, Holder, Stays, until};
use mcp_contracts::Service;
use std::time::Duration;

/// Deadline after which nothing of the fault may remain.
const NOTHING_LEFT: Duration = Duration::from_secs(2);

fn only_redis() -> Topology {
    let mut topology = Topology::memory();
    topology.parts.truncate(1);
    topology
}

fn part(name: &str) -> String {
    name.to_owned()
}

/// Injects the fault once for each ending, and checks that nothing of it remains.
async fn leaves_nothing(topology: Topology, fault: FaultKind) {
    for ending in Ending::ALL {
        let mut holder = Holder::start(&topology, Stays::Yes, &fault, ending);
        let before = holder.observe().await;
        holder.inject();
        if ending.is_awaited() && can_be_seen(&fault) {
            assert!(
                holder.nothing_left(&fault, &before).await.is_err(),
                "`{}` acts and has no visible effect",
                fault.name()
            );
        }
        holder.end();
        let what = format!("after `{}` that ended by {ending:?}", fault.name());
        until(&what, NOTHING_LEFT, async || holder.nothing_left(&fault, &before).await).await;
    }
}

/// Returns true if the fault changes something that [`Holder::nothing_left`] inspects. Then a test can show that the
/// inspection detects the fault.
fn can_be_seen(fault: &FaultKind) -> bool {
    use RedisState::{CountersLost, ScriptsFlushed};
    match fault {
        // These faults are over at once, or act only in the process of the harness.
        FaultKind::Kill(_) | FaultKind::Stop(_) | FaultKind::Restart(_) | FaultKind::Network(_) => false,
        FaultKind::Redis(Redis { state: ScriptsFlushed | CountersLost }) => false,
        _ => true,
    }
}

async fn redis_leaves_nothing(state: RedisState) {
    leaves_nothing(only_redis(), FaultKind::Redis(Redis { state })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_stays_paused() {
    leaves_nothing(only_redis(), FaultKind::Pause(Pause { part: part("redis") })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_parts_leave_nothing() {
    let redis = || part("redis");
    for fault in [
        FaultKind::Kill(Kill { part: redis() }),
        FaultKind::Stop(Stop { part: redis() }),
        FaultKind::Restart(Restart { part: redis() }),
    ] {
        leaves_nothing(only_redis(), fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rule_stays_on_a_way() {
    let rule = serde_json::from_value(serde_json::json!({ "toxic": { "kind": "hang" } })).unwrap();
    let fault = FaultKind::Network(Network { from: part(CLIENT), to: part("memory"), rule });
    leaves_nothing(Topology::memory().without_redis().proxied(CLIENT, "memory"), fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_disk_stays_full() {
    leaves_nothing(Topology::memory().without_redis(), FaultKind::DiskFull(DiskFull { part: part("memory") })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_database_stays_locked() {
    leaves_nothing(
        Topology::memory().without_redis(),
        FaultKind::DatabaseLocked(DatabaseLocked { part: part("memory") }),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_stays_changed() {
    let mut guardrails = Topology::full().without_redis();
    guardrails.parts.retain(|part| part.name == "guardrails");
    for text in [None, Some("category: testing\nrules: []\n".to_owned())] {
        let (service, file) = (Service::Guardrails, "own.yaml".to_owned());
        leaves_nothing(guardrails.clone(), FaultKind::FileChanged(FileChanged { service, file, text })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redis_stays_out_of_memory() {
    redis_leaves_nothing(RedisState::Oom).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redis_stays_a_replica_of_a_dead_master() {
    redis_leaves_nothing(RedisState::Readonly).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_script_keeps_running() {
    redis_leaves_nothing(RedisState::Busy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_writes_stay_paused() {
    redis_leaves_nothing(RedisState::PausedWrites).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redis_stays_loading() {
    redis_leaves_nothing(RedisState::Loading).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redis_stays_full_of_clients() {
    redis_leaves_nothing(RedisState::MaxClients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_scripts_stay_forbidden() {
    redis_leaves_nothing(RedisState::NoScripts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_stays_required() {
    redis_leaves_nothing(RedisState::PasswordRequired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_without_an_undo_leave_nothing() {
    redis_leaves_nothing(RedisState::ScriptsFlushed).await;
    redis_leaves_nothing(RedisState::CountersLost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_stays_on_a_process() {
    for fault in [
        FaultKind::CpuSqueeze(CpuSqueeze { part: part("redis"), percent: 50 }),
        FaultKind::MemorySqueeze(MemorySqueeze { part: part("redis"), mebibytes: 64 }),
    ] {
        if let Some(why) = fault.unavailable_on_machine(&harness_core::plan::Backend::Process) {
            assert!(why.contains("is not possible on this machine"), "{why}");
            continue;
        }
        leaves_nothing(only_redis(), fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_with_a_fault_dies_with_its_harness() {
    for fault in [FaultKind::Pause(Pause { part: part("memory") }), FaultKind::Redis(Redis { state: RedisState::Busy })]
    {
        let mut holder = Holder::start(&Topology::memory(), Stays::No, &fault, Ending::Kill);
        holder.inject();
        holder.end();
        let what = format!("processes are left after `{}`", fault.name());
        until(&what, NOTHING_LEFT, async || {
            let left = holder.processes();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recover_undoes_what_a_killed_watchdog_left() {
    for fault in [
        FaultKind::Pause(Pause { part: part("redis") }),
        FaultKind::Redis(Redis { state: RedisState::Oom }),
        FaultKind::Redis(Redis { state: RedisState::PasswordRequired }),
    ] {
        let mut holder = Holder::start(&only_redis(), Stays::Yes, &fault, Ending::Kill);
        let before = holder.observe().await;
        holder.inject();
        let runs = holder.dir().parent().unwrap().to_owned();
        assert_eq!(recover(&runs).await, Recovered::default(), "the faults of a running harness stay");
        holder.kill_watchdog();
        holder.end();
        assert!(holder.nothing_left(&fault, &before).await.is_err(), "`{}` ended by itself", fault.name());
        let recovered = recover(&runs).await;
        assert_eq!((recovered.found, recovered.undone.len(), recovered.failed), (1, 1, Vec::new()), "{}", fault.name());
        holder.nothing_left(&fault, &before).await.unwrap();
        assert_eq!(recover(&runs).await, Recovered::default(), "a second time there is nothing to undo");
        holder.nothing_left(&fault, &before).await.unwrap();
    }
}
