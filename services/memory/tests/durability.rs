//! Acknowledged writes survive kills and full disks; a file that cannot be used is refused and not changed.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/service.rs"]
mod service;

use mcp_contracts::env;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use service::{PATIENCE, Service, call, client, content_of, database, store, token};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const WRITERS: usize = 8;

/// Writes a file that the service must refuse.
type WriteFile<'a> = &'a dyn Fn(&Path);

fn run_until_exit(folder: &Path) -> Output {
    Service::command(folder).env(env::LISTEN_ADDR, "127.0.0.1:0").stderr(Stdio::piped()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_write_survives_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let (token, client) = (token(), client());
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let acknowledged: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    for round in 0..ROUNDS {
        let service = Service::start(folder.path()).await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (url, token, client, acknowledged) =
                (service.url.clone(), token.clone(), client.clone(), Arc::clone(&acknowledged));
            writers.spawn(async move {
                for number in 0.. {
                    let content = format!("round {round} writer {writer} number {number}");
                    let reply = call(&client, &url, &token, "store_memory", json!({ "content": content })).await;
                    let Some(Ok(stored)) = reply else { return };
                    acknowledged.lock().push((stored["id"].as_str().unwrap().to_owned(), content));
                }
            });
        }
        let before = acknowledged.lock().len();
        let since = Instant::now();
        while acknowledged.lock().len() == before {
            assert!(since.elapsed() < PATIENCE, "no write was acknowledged in round {round}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
        service.kill();
        writers.join_all().await;
    }
    let service = Service::start(folder.path()).await;
    let acknowledged = acknowledged.lock().clone();
    assert!(acknowledged.len() >= ROUNDS);
    for (id, content) in &acknowledged {
        assert_eq!(
            content_of(&client, &service.url, &token, id).await.as_ref(),
            Some(content),
            "{id} of {} is missing",
            acknowledged.len()
        );
    }
}

#[test]
fn a_newer_foreign_or_damaged_file_is_refused_and_not_changed() {
    let newer = |path: &Path| {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection
            .execute_batch("PRAGMA application_id = 1835233389; PRAGMA user_version = 99; CREATE TABLE x (y)")
            .unwrap();
    };
    let foreign =
        |path: &Path| rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    let text = |path: &Path| std::fs::write(path, "this is text and not an SQLite database".repeat(100)).unwrap();
    let cases: [(&str, WriteFile<'_>); 3] = [("version 99", &newer), ("another program", &foreign), ("damaged", &text)];
    for (reason, write) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(&database(folder.path()));
        let before = std::fs::read(database(folder.path())).unwrap();
        let output = run_until_exit(folder.path());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code().is_some_and(|code| code != 0) && error.contains(reason) && error.contains("hint:"),
            "{reason}: {error}"
        );
        let after = std::fs::read(database(folder.path())).unwrap();
        assert!(before == after, "{reason}: the file was changed");
    }
}

#[test]
fn all_invalid_settings_are_reported_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Service::command(folder.path());
    command
        .env(env::APP_ENV, "staging")
        .env(env::LISTEN_ADDR, "nowhere")
        .env(env::JWT_SECRET, "short")
        .stderr(Stdio::piped());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64));
    for name in [env::APP_ENV, env::LISTEN_ADDR, env::JWT_SECRET] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    assert!(!text.contains("short"), "the key is in {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_brings_back_the_state_of_the_backup_while_the_service_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (token, client) = (token(), client());
    let mut service = Service::start(folder.path()).await;
    let kept = store(&client, &service.url, &token, "before the backup").await;
    let copy = folder.path().join("copy.db");
    let run = |verb: &str, file: &Path| {
        let mut command = Service::command(folder.path());
        command.arg(verb).arg(file).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
    };
    let output = run("backup", &copy);
    assert!(output.status.success(), "{output:?}");
    let later = store(&client, &service.url, &token, "after the backup").await;
    let output = run("restore", &copy);
    assert!(output.status.success(), "{output:?}");
    // Both name the database: with the `DATABASE_URL` of another folder they succeed too.
    let named = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(named(&output).starts_with("restored `") && !named(&output).contains("did not exist"), "{output:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let output = Service::command(elsewhere.path()).arg("restore").arg(&copy).stdout(Stdio::piped()).output().unwrap();
    assert!(named(&output).contains("`, which did not exist, from `"), "{output:?}");
    assert_eq!(content_of(&client, &service.url, &token, &kept).await.as_deref(), Some("before the backup"));
    assert_eq!(content_of(&client, &service.url, &token, &later).await, None);
    let again = store(&client, &service.url, &token, "after the restore").await;
    assert_eq!(content_of(&client, &service.url, &token, &again).await.as_deref(), Some("after the restore"));

    std::fs::write(&copy, "no backup").unwrap();
    assert!(!run("restore", &copy).status.success());
    assert!(!run("restore", &folder.path().join("nowhere")).status.success());
    assert_eq!(content_of(&client, &service.url, &token, &kept).await.as_deref(), Some("before the backup"));

    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(service.child.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(service.child.wait().unwrap().code(), Some(0), "SIGTERM did not lead to a clean exit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_keeps_acknowledged_ones_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (token, client) = (token(), client());
    // The shell limits the size of files, so that writes fail as on a full disk. The service must survive the signal (SIGXFSZ) that the kernel
    // sends with it.
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -S -f 1024; exec \"$0\"", env!("CARGO_BIN_EXE_mcp-memory")]);
    let template = Service::command(folder.path());
    command.env_clear().envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let service = Service::start_with({
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    })
    .await;
    let kept = store(&client, &service.url, &token, "written while there was room").await;
    let mut refused = None;
    for number in 0..200 {
        let content = format!("{number} {}", "filling the disk ".repeat(1_000));
        if let Some(Err(error)) =
            call(&client, &service.url, &token, "store_memory", json!({ "content": content })).await
        {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("the disk never filled");
    assert_eq!((&refused["code"], &refused["retryable"]), (&json!("storage_full"), &json!(true)), "{refused}");
    assert_eq!(content_of(&client, &service.url, &token, &kept).await.as_deref(), Some("written while there was room"));
    let unlimited = ["--pid", &service.child.id().to_string(), "--fsize=unlimited"];
    assert!(Command::new("prlimit").args(unlimited).status().unwrap().success());
    let later = store(&client, &service.url, &token, "written after room was made").await;
    assert_eq!(content_of(&client, &service.url, &token, &later).await.as_deref(), Some("written after room was made"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_one_file_and_a_kill_of_one_loses_no_write() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = tokio::join!(Service::start(folder.path()), Service::start(folder.path()));
    let (token, client) = (token(), client());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let url = if writer % 2 == 0 { one.url.clone() } else { two.url.clone() };
        let (token, client) = (token.clone(), client.clone());
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..40 {
                let content = format!("shared, writer {writer} number {number}");
                let key = format!("w{writer}-{number}");
                let stored = json!({ "content": content, "idempotencyKey": key });
                let Some(reply) = call(&client, &url, &token, "store_memory", stored).await else { break };
                acknowledged.push((reply.unwrap()["id"].as_str().unwrap().to_owned(), content, key));
            }
            acknowledged
        });
    }
    let mut acknowledged = Vec::new();
    while let Some(done) = writers.join_next().await {
        acknowledged.extend(done.unwrap());
    }
    assert_eq!(acknowledged.len(), WRITERS * 40);
    one.kill();
    for (id, content, key) in &acknowledged {
        assert_eq!(content_of(&client, &two.url, &token, id).await.as_ref(), Some(content));
        let again =
            call(&client, &two.url, &token, "store_memory", json!({ "content": content, "idempotencyKey": key })).await;
        assert_eq!(again.unwrap().unwrap()["id"].as_str(), Some(id.as_str()));
    }
}
