//! Faults on containers: each has its effect, and the harness or its watchdog restores the container.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/stack.rs"]
mod stack;
#[path = "support/wait.rs"]
mod wait;

use bollard::Docker;
use bollard::models::HostConfig;
use harness_core::fault::{CpuSqueeze, FaultKind, Injector, Kill, MemorySqueeze, Pause, Redis, RedisState, Stop};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::Stack;
use harness_core::stack::labelled;
use redis::{AsyncConnectionConfig, RedisResult};
use stack::{request, start};
use std::time::Duration;
use wait::wait_until;

/// Deadline of a reply; longer than a service waits for one.
const ANSWER: Duration = Duration::from_secs(1);

async fn only_redis() -> (tempfile::TempDir, Stack) {
    let dir = tempfile::tempdir().unwrap();
    let mut topology = Topology::memory();
    topology.parts.truncate(1);
    let stack = start(&request(dir.path(), Backend::Docker, topology)).await.unwrap();
    (dir, stack)
}

async fn answer(stack: &Stack) -> RedisResult<()> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
    let client = redis::Client::open(stack.part("redis").unwrap().url).unwrap();
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let write = redis::cmd("EVAL").arg("return redis.call('INCR', KEYS[1])").arg(1).arg("counted").to_owned();
    write.query_async::<u64>(&mut connection).await.map(drop)
}

async fn limits(docker: &Docker, stack: &Stack) -> HostConfig {
    let id = stack.part("redis").unwrap().container.unwrap();
    docker.inspect_container(&id, None).await.unwrap().host_config.unwrap()
}

fn redis_part() -> String {
    "redis".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_was_ended_or_paused_is_back_after_the_fault() {
    let (dir, stack) = only_redis().await;
    let injector = Injector::new(&stack, dir.path());
    for fault in [
        FaultKind::Kill(Kill { part: redis_part() }),
        FaultKind::Stop(Stop { part: redis_part() }),
        FaultKind::Pause(Pause { part: redis_part() }),
    ] {
        let active = injector.inject(&fault).await.unwrap();
        assert!(answer(&stack).await.is_err(), "{}", fault.name());
        active.heal().await.unwrap();
        wait_until(&format!("{} is not healed", fault.name()), async || answer(&stack).await).await;
    }
    drop(injector.inject(&FaultKind::Pause(Pause { part: redis_part() })).await.unwrap());
    wait_until("the watchdog did not resume it", async || answer(&stack).await).await;
    stack.pause("redis").await.unwrap();
    let label = stack.label().unwrap().to_owned();
    stack.stop().await.unwrap();
    assert_eq!(labelled::count(&label).await.unwrap(), 0, "a paused container is stopped too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_in_a_container_reaches_every_state_and_is_restored() {
    let (dir, stack) = only_redis().await;
    let injector = Injector::new(&stack, dir.path());
    for &state in RedisState::ALL {
        let active = injector.inject(&FaultKind::Redis(Redis { state })).await.unwrap();
        let serves = matches!(state, RedisState::ScriptsFlushed | RedisState::CountersLost);
        assert_eq!(answer(&stack).await.is_ok(), serves, "during {state:?}");
        active.heal().await.unwrap();
        assert!(answer(&stack).await.is_ok(), "after {state:?}");
    }
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squeezed_container_has_no_limit_after_the_fault() {
    let (dir, stack) = only_redis().await;
    let injector = Injector::new(&stack, dir.path());
    let docker = labelled::connect().await.unwrap();
    let active = injector.inject(&FaultKind::CpuSqueeze(CpuSqueeze { part: redis_part(), percent: 5 })).await.unwrap();
    assert_eq!(limits(&docker, &stack).await.cpu_quota, Some(5_000));
    active.heal().await.unwrap();
    assert!(limits(&docker, &stack).await.cpu_quota.unwrap_or_default() <= 0);

    let active =
        injector.inject(&FaultKind::MemorySqueeze(MemorySqueeze { part: redis_part(), mebibytes: 64 })).await.unwrap();
    assert_eq!(limits(&docker, &stack).await.memory, Some(64 << 20));
    active.heal().await.unwrap();
    let machine = docker.info().await.unwrap().mem_total.unwrap();
    assert!(
        limits(&docker, &stack).await.memory.unwrap() >= machine,
        "a limit above the memory of the machine does not limit"
    );
    assert!(answer(&stack).await.is_ok());
    stack.stop().await.unwrap();
}
