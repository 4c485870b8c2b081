//! The measuring client against a server that is not ours, built on the SDK: with sessions and event streams, without sessions, and of 2026-07-28.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/sample_server.rs"]
mod sample_server;

use authority::ServerFiles;
use harness_core::drive::client::{Client, ClientOptions, Endpoint, Protocol, check_connection};
use harness_core::plan::trust::Trust;
use harness_history::Outcome;
use sample_server::SampleServer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const USERS: u32 = 100;
/// Calls of each user: this number of times `put`, `get` and `echo`.
const ROUNDS: u32 = 3;

fn options() -> ClientOptions {
    ClientOptions { deadline: Duration::from_secs(60), ..ClientOptions::default() }
}

/// Returns the structured content of a call, which must be `Ok`.
async fn value(client: &mut Client, tool: &str, arguments: Value) -> Result<Value, String> {
    let call = client.call(tool, &arguments).await;
    match call.outcome {
        Outcome::Ok => Ok(serde_json::from_str(call.structured.unwrap_or("null")).unwrap()),
        outcome => Err(format!("{tool}: {outcome:?}")),
    }
}

/// Makes the calls of one user. Returns what it speaks, or what was wrong.
async fn user(endpoint: Arc<Endpoint>, number: u32) -> Result<Protocol, String> {
    let mut client = Client::negotiating(endpoint, options());
    let handshake = client.ready().await.unwrap();
    let protocol = handshake.protocol.ok_or_else(|| format!("{:?}", handshake.outcome))?;
    for round in 0..ROUNDS {
        let entry = json!({ "key": format!("{number}-{round}"), "value": format!("value {number} {round}") });
        let stored = value(&mut client, "put", entry.clone()).await?;
        let read = value(&mut client, "get", json!({ "key": entry["key"] })).await?;
        let text = value(&mut client, "echo", json!({ "text": "gr\u{fc}n" })).await?;
        if stored != entry || read != entry || text["text"] != "gr\u{fc}n" {
            return Err(format!("{stored} {read} {text}"));
        }
    }
    assert_eq!(client.take_handshake(), None, "the session lasts");
    let has_session = matches!(protocol, Protocol::Legacy { session: Some(_), .. });
    assert_eq!(client.end().await, has_session.then_some(Outcome::Ok));
    Ok(protocol)
}

async fn expect_all_healthy(endpoint: Endpoint, version: &str, has_session: bool) {
    let endpoint = Arc::new(endpoint);
    let mut users = JoinSet::new();
    for number in 0..USERS {
        users.spawn(user(Arc::clone(&endpoint), number));
    }
    let mut protocols = Vec::new();
    while let Some(ended) = users.join_next().await {
        protocols.push(ended.unwrap());
    }
    let is_expected = |protocol: &Result<Protocol, String>| match protocol {
        Ok(Protocol::Modern) => version == "2026-07-28",
        Ok(Protocol::Legacy { version: spoken, session }) => spoken == version && session.is_some() == has_session,
        Err(_) => false,
    };
    let wrong: Vec<_> = protocols.iter().filter(|protocol| !is_expected(protocol)).collect();
    assert!(wrong.is_empty(), "{} of {USERS} users: {:?}", wrong.len(), wrong.first());
    assert_eq!(protocols.len(), USERS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_users_are_healthy_with_sessions_and_event_streams() {
    let server = SampleServer::start(&["sessions"]).await;
    expect_all_healthy(server.url.parse().unwrap(), "2025-11-25", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_users_are_healthy_without_sessions() {
    let server = SampleServer::start(&["stateless"]).await;
    expect_all_healthy(server.url.parse().unwrap(), "2025-11-25", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_users_are_healthy_with_2026() {
    let server = SampleServer::start(&["modern"]).await;
    expect_all_healthy(server.url.parse().unwrap(), "2026-07-28", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_users_are_healthy_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let files = ServerFiles::write(folder.path(), "127.0.0.1");
    let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
    let server = SampleServer::start(&["sessions", "--certificate", certificate, "--key", key]).await;
    assert!(server.url.starts_with("https://"));
    let endpoint = Endpoint::new(&server.url, || Trust::load(Some(&files.authority))).unwrap();
    expect_all_healthy(endpoint, "2025-11-25", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_contact_lists_the_tools_of_each_server() {
    for mode in ["sessions", "stateless", "modern"] {
        let server = SampleServer::start(&[mode]).await;
        let made = check_connection(&Arc::new(server.url.parse().unwrap()), None, options()).await.unwrap();
        let names: Vec<_> = made.tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["put", "get", "look_up", "echo"], "{mode}");
        let server = made.handshake.server.unwrap();
        assert!(server.starts_with("sample-server "), "{server}");
    }
}
