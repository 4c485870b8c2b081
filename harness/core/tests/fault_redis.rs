//! Every state of a real Redis: the replies that a client gets on an open connection and on a new one.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/callers.rs"]
mod callers;
#[path = "support/stack.rs"]
mod stack;
#[path = "support/wait.rs"]
mod wait;

use callers::client;
use harness_core::fault::{FaultKind, Injector, Redis, RedisState};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::Stack;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use stack::{request, start};
use std::time::Duration;
use wait::wait_until;

/// Deadline of a reply; longer than a service waits for one.
const ANSWER: Duration = Duration::from_millis(500);
/// A read, and a script that writes, as the services' limiter sends it.
const READ: &[&str] = &["GET", "kept"];
const SCRIPT: &[&str] = &["EVAL", "return redis.call('INCR', KEYS[1])", "1", "counted"];

async fn only_redis() -> (tempfile::TempDir, Stack, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut topology = Topology::memory();
    topology.parts.truncate(1);
    let stack = start(&request(dir.path(), Backend::Process, topology)).await.unwrap();
    let url = stack.part("redis").unwrap().url;
    (dir, stack, url)
}

async fn connect(url: &str) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER));
    redis::Client::open(url).unwrap().get_multiplexed_async_connection_with_config(&config).await
}

/// The reply to a command: `ok`, the code of an error, `silence` or `cut off`.
async fn reply_to(connection: &mut MultiplexedConnection, words: &[&str]) -> String {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    match command.query_async::<redis::Value>(connection).await {
        Ok(_) => "ok".to_owned(),
        Err(error) if error.is_timeout() => "silence".to_owned(),
        Err(error) if error.is_io_error() => "cut off".to_owned(),
        Err(error) => format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default()),
    }
}

/// The reply to a command on a new connection.
async fn reply_on_new_connection(url: &str, words: &[&str]) -> String {
    match connect(url).await {
        Ok(mut connection) => reply_to(&mut connection, words).await,
        Err(error) => error.to_string(),
    }
}

/// Injects a state, compares the replies on an old and on a new connection, heals it, and compares again.
async fn replies_are(state: RedisState, old: [&str; 2], new: [&str; 2]) {
    let (dir, stack, url) = only_redis().await;
    let injector = Injector::new(&stack, dir.path());
    let mut before = connect(&url).await.unwrap();
    assert_eq!(reply_to(&mut before, &["SET", "kept", "1"]).await, "ok");
    let active = injector.inject(&FaultKind::Redis(Redis { state })).await.unwrap();
    for (words, [old, new]) in [(READ, [old[0], new[0]]), (SCRIPT, [old[1], new[1]])] {
        let reply = reply_to(&mut before, words).await;
        assert!(reply.starts_with(old), "{state:?}, old connection, {words:?}: {reply}");
        let reply = reply_on_new_connection(&url, words).await;
        assert!(reply.starts_with(new), "{state:?}, new connection, {words:?}: {reply}");
    }
    active.heal().await.unwrap();
    for words in [READ, SCRIPT] {
        assert_eq!(reply_on_new_connection(&url, words).await, "ok", "{state:?} is healed");
    }
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_scripts_fail_and_reads_succeed() {
    replies_are(RedisState::Oom, ["ok", "OOM"], ["ok", "OOM"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_refuses_writes() {
    replies_are(RedisState::Readonly, ["ok", "READONLY"], ["ok", "READONLY"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn during_an_endless_script_every_command_is_refused() {
    replies_are(RedisState::Busy, ["BUSY"; 2], ["BUSY"; 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_writes_wait_and_reads_succeed() {
    replies_are(RedisState::PausedWrites, ["ok", "silence"], ["ok", "silence"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_loads_it_closes_connections_and_refuses_every_command() {
    replies_are(RedisState::Loading, ["cut off", ""], ["LOADING"; 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_max_clients_a_new_connection_is_refused() {
    let (dir, stack, url) = only_redis().await;
    let injector = Injector::new(&stack, dir.path());
    let mut before = connect(&url).await.unwrap();
    let active = injector.inject(&FaultKind::Redis(Redis { state: RedisState::MaxClients })).await.unwrap();
    assert_eq!(reply_to(&mut before, READ).await, "cut off");
    // Read without a library, which may report only the end of the connection.
    let mut stream = std::net::TcpStream::connect(url.trim_start_matches("redis://")).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    assert!(text.contains("ERR max number of clients reached"), "{text}");
    active.heal().await.unwrap();
    assert_eq!(reply_on_new_connection(&url, SCRIPT).await, "ok");
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_run_scripts_reads_succeed() {
    replies_are(RedisState::NoScripts, ["ok", "NOPERM"], ["ok", "NOPERM"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_password_locks_every_client_out() {
    replies_are(RedisState::PasswordRequired, ["cut off", ""], ["NOAUTH"; 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_flushed_repeatedly() {
    let (dir, stack, url) = only_redis().await;
    let injector = Injector::new(&stack, dir.path());
    let mut connection = connect(&url).await.unwrap();
    let active = injector.inject(&FaultKind::Redis(Redis { state: RedisState::ScriptsFlushed })).await.unwrap();
    for _ in 0..2 {
        let loaded: String =
            redis::cmd("SCRIPT").arg("LOAD").arg("return 1").query_async(&mut connection).await.unwrap();
        wait_until("the script is still loaded", async || {
            let reply = reply_to(&mut connection, &["EVALSHA", &loaded, "0"]).await;
            if reply.starts_with("NOSCRIPT") { Ok(()) } else { Err(reply) }
        })
        .await;
    }
    active.heal().await.unwrap();
    let loaded: String = redis::cmd("SCRIPT").arg("LOAD").arg("return 1").query_async(&mut connection).await.unwrap();
    assert_eq!(reply_to(&mut connection, &["EVALSHA", &loaded, "0"]).await, "ok");
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_counters_are_lost() {
    let (dir, stack, url) = only_redis().await;
    let injector = Injector::new(&stack, dir.path());
    let mut connection = connect(&url).await.unwrap();
    assert_eq!(reply_to(&mut connection, SCRIPT).await, "ok");
    injector.inject(&FaultKind::Redis(Redis { state: RedisState::CountersLost })).await.unwrap().heal().await.unwrap();
    let counted: Option<u64> = redis::cmd("GET").arg("counted").query_async(&mut connection).await.unwrap();
    assert_eq!(counted, None);
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_works_in_every_state_and_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let stack = start(&request(dir.path(), Backend::Process, Topology::memory())).await.unwrap();
    let injector = Injector::new(&stack, dir.path());
    let mut client = client(&stack, "memory");
    let content = |text: &str| serde_json::json!({ "content": text });
    for &state in RedisState::ALL {
        let active = injector.inject(&FaultKind::Redis(Redis { state })).await.unwrap();
        let during = client.call("store_memory", &content(&format!("during {state:?}"))).await;
        assert_eq!(during.outcome, harness_history::Outcome::Ok, "during {state:?}");
        active.heal().await.unwrap();
        let after = client.call("store_memory", &content(&format!("after {state:?}"))).await;
        assert_eq!(after.outcome, harness_history::Outcome::Ok, "after {state:?}");
    }
    stack.stop().await.unwrap();
}
