//! Revoked tokens with a real Redis: refused by every instance, also while Redis is down and after it lost its data.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/redis.rs"]
mod redis;

use jsonwebtoken::{EncodingKey, Header, encode};
use mcp_contracts::{Scope, env};
use mcp_testkit::{Caller, Process, SECRET, wait_until};
use redis::Redis;
use serde_json::json;
use std::path::Path;
use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_mcp-memory");

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Signs a token that was issued at `iat`.
fn token(org: &str, jti: &str, iat: u64) -> String {
    let claims = json!({ "sub": "ann", "orgId": org, "plan": "enterprise", "scopes": ["memory.read"], "jti": jti,
        "iat": iat, "exp": iat + 3_000, "aud": "mcp" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

async fn start(redis: &Redis, folder: &Path, name: &str) -> Process {
    let mut command = Process::command(BINARY);
    command.env(env::REDIS_URL, redis.url()).env(env::REDIS_DEADLINE_MS, "5000");
    command.env(env::DATABASE_URL, format!("sqlite://{}", folder.join(name).display()));
    Process::start(command, Caller::new("acme", &[Scope::MemoryRead])).await
}

/// Returns the status of a call with this token.
async fn status(service: &Process, token: &str) -> u16 {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "memory_stats", "arguments": {} } });
    let request = service.http.post(format!("{}/mcp", service.base)).bearer_auth(token);
    request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap().status().as_u16()
}

fn command(redis: &Redis, arguments: &[&str]) -> Output {
    let mut command = Process::command(BINARY);
    command.env(env::REDIS_URL, redis.url()).args(arguments);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).output().unwrap()
}

/// Runs a command that must succeed, and returns its output.
fn done(redis: &Redis, arguments: &[&str]) -> String {
    let output = command(redis, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_refuses_what_is_revoked_and_nothing_else() {
    let (redis, folder) = (Redis::start(None), TempDir::new().unwrap());
    let (one, two) = (start(&redis, folder.path(), "one").await, start(&redis, folder.path(), "two").await);
    let issued = now() - 10;
    let (stolen, other) = (token("acme", "stolen", issued), token("acme", "other", issued));
    let (early, late) = (token("zeta", "early", issued), token("zeta", "late", issued + 1));
    for service in [&one, &two] {
        for token in [&stolen, &other, &early, &late] {
            assert_eq!(status(service, token).await, 200);
        }
    }
    assert_eq!(done(&redis, &["revocations"]), "no token is revoked\n");
    done(&redis, &["revoke", "--token", "stolen"]);
    for service in [&one, &two] {
        wait_until("the token is refused", async || status(service, &stolen).await == 401).await;
        assert!(service.metric("mcp_auth_refused_total", &["reason=\"revoked\""]).await > 0.0);
    }
    let until = jiff::Timestamp::from_second(i64::try_from(issued).unwrap()).unwrap().to_string();
    done(&redis, &["revoke", "--organisation", "zeta", "--issued-until", &until]);
    for service in [&one, &two] {
        wait_until("the tokens of the organisation are refused", async || status(service, &early).await == 401).await;
        assert_eq!((status(service, &other).await, status(service, &late).await), (200, 200));
    }
    // Without a time: until now.
    done(&redis, &["revoke", "--organisation", "zeta"]);
    wait_until("the later token is refused", async || status(&one, &late).await == 401).await;
    assert_eq!(status(&one, &token("zeta", "new", now() + 5)).await, 200);
    let list = done(&redis, &["revocations"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.contains("token `stolen`") && list.contains(&until), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_survive_an_outage_of_redis_and_the_loss_of_its_data() {
    let (redis, folder) = (Redis::start(None), TempDir::new().unwrap());
    let service = start(&redis, folder.path(), "one").await;
    let (stolen, other) = (token("acme", "stolen", now()), token("acme", "other", now()));
    done(&redis, &["revoke", "--token", "stolen"]);
    wait_until("the token is refused", async || status(&service, &stolen).await == 401).await;
    let port = redis.kill();
    wait_until("the outage is noticed", async || service.page("/readyz").await.contains("redis")).await;
    // Also a token that this instance has never met before.
    let again = token("acme", "stolen", now() - 1);
    for (token, expected) in [(&stolen, 401), (&again, 401), (&other, 200)] {
        assert_eq!(status(&service, token).await, expected);
    }
    // An empty Redis gets the list back, and a new instance reads it before it is ready.
    let redis = Redis::start(Some(port));
    wait_until("the list is written back", async || done(&redis, &["revocations"]).contains("stolen")).await;
    let new = start(&redis, folder.path(), "new").await;
    assert_eq!((status(&new, &stolen).await, status(&new, &other).await), (401, 200));
    assert_eq!(status(&service, &stolen).await, 401);
    // Changes arrive again.
    done(&redis, &["revoke", "--token", "other"]);
    wait_until("the next token is refused", async || status(&service, &other).await == 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forbids_the_list_still_counts_and_the_service_reports_it() {
    let (redis, folder) = (Redis::start(None), TempDir::new().unwrap());
    // The commands that a user of an earlier release needed.
    let rights = ["+@all", "-zadd", "-zrangebyscore"];
    redis.command(&[["ACL", "SETUSER", "default"].as_slice(), &rights].concat());
    let service = start(&redis, folder.path(), "one").await;
    assert!(service.page("/readyz").await.contains("revocations"));
    let token = token("acme", "a", now());
    assert_eq!(status(&service, &token).await, 200);
    assert!(service.metric("mcp_quota_decisions_total", &["mode=\"redis\""]).await > 0.0);
    redis.command(&["ACL", "SETUSER", "default", "+@all"]);
    wait_until("the list is read", async || !service.page("/readyz").await.contains("revocations")).await;
    done(&redis, &["revoke", "--token", "a"]);
    wait_until("the token is refused", async || status(&service, &token).await == 401).await;
}

#[test]
fn a_revocation_that_cannot_be_stored_is_an_error_with_its_reason() {
    let redis = Redis::start(None);
    for (arguments, code, why) in [
        (["revoke", "", "", ""], 64, "--token"),
        (["revoke", "--token", "a", "--organisation=b"], 64, "cannot be used with"),
        (["revoke", "--organisation", "acme", "--issued-until=soon"], 64, "invalid value"),
        (["revoke", "--organisation", "acme", "--issued-until=2099-01-01T00:00:00Z"], 1, "in the future"),
    ] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
        let output = command(&redis, &arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && text.contains(why), "{arguments:?}: {text}");
    }
    let mut without = Process::command(BINARY);
    let output = without.args(["revoke", "--token", "a"]).stderr(std::process::Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("`REDIS_URL` is not set"), "{text}");
    let port = redis.kill();
    let mut gone = Process::command(BINARY);
    gone.env(env::REDIS_URL, format!("redis://127.0.0.1:{port}")).args(["revoke", "--token", "a"]);
    assert_eq!(gone.output().unwrap().status.code(), Some(1));
}
