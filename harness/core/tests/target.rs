//! A server that is not ours as a part of a stack: the harness starts it by its command, ends and pauses it, and puts its fault proxy in front of it, with
//! TLS behind the proxy.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/sample_server.rs"]
mod sample_server;
#[path = "support/stack.rs"]
mod stack;

use authority::ServerFiles;
use chaos_proxy::toxic::Status;
use chaos_proxy::{Rule, Toxic};
use harness_core::drive::client::{Client, ClientOptions, Protocol};
use harness_core::drive::target::TargetAccess;
use harness_core::plan::Backend;
use harness_core::plan::reach::Reach;
use harness_core::plan::target::{Start, TARGET, Target};
use harness_core::plan::topology::{CLIENT, Topology};
use harness_core::stack::{Stack, StackError, StackRequest};
use harness_history::{ErrorKind, Outcome};
use sample_server::SampleServer;
use serde_json::json;
use stack::{request, start};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Returns the request for a stack of one server, which the harness starts by this command.
fn started(dir: &Path, command: &[&str], change: impl FnOnce(&mut Start)) -> StackRequest {
    let mut start = Start {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        directory: None,
        environment: [("NO_COLOR".to_owned(), Some("1".to_owned()))].into(),
        ready: None,
        deadline: Duration::from_secs(30),
    };
    change(&mut start);
    at(dir, "http://127.0.0.1:{{port}}/mcp", None, Some(start), Topology::target())
}

fn at(dir: &Path, url: &str, ca_file: Option<&Path>, start: Option<Start>, topology: Topology) -> StackRequest {
    let target = Target {
        url: url.to_owned(),
        tokens: Vec::new(),
        ca_file: ca_file.map(Path::to_owned),
        reach: Reach::default(),
        start,
    };
    request(dir, Backend::Target(Box::new(target)), topology)
}

/// The command of the server of `fixtures/servers`.
fn sample() -> String {
    sample_server::program().to_str().unwrap().to_owned()
}

fn client(stack: &Stack) -> Client {
    let endpoint = TargetAccess::of(stack).unwrap().endpoint().unwrap();
    Client::negotiating(Arc::new(endpoint), ClientOptions::default())
}

async fn put(client: &mut Client) -> Outcome {
    client.call("put", &json!({ "key": "k", "value": "v" })).await.outcome
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_started_killed_and_comes_back_at_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let request = started(dir.path(), &[&sample, "sessions", "--listen", "127.0.0.1:{{port}}"], |_| {});
    let stack = start(&request).await.unwrap();
    let before = stack.part(TARGET).unwrap();
    let mut client = client(&stack);
    assert_eq!(put(&mut client).await, Outcome::Ok);
    assert!(matches!(client.protocol(), Some(Protocol::Legacy { session: Some(_), .. })));

    stack.kill(TARGET).await.unwrap();
    assert_ne!(put(&mut client).await, Outcome::Ok);
    let after = stack.start_again(TARGET).await.unwrap();
    assert_eq!((&after.url, after.pid == before.pid), (&before.url, false));
    // The session ended with the process: one call fails, and then there is a new one.
    assert_eq!(put(&mut client).await, Outcome::Failed(ErrorKind::Http(404)));
    assert_eq!(put(&mut client).await, Outcome::Ok);

    stack.pause(TARGET).await.unwrap();
    let mut call = Box::pin(put(&mut client));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut call).await.is_err(), "it is paused and answers");
    stack.resume(TARGET).await.unwrap();
    assert_eq!(call.await, Outcome::Ok);
    assert!(stack.restart(TARGET).await.unwrap().cleanly());
    assert!(stack.log(TARGET).await.unwrap().matches("/mcp").count() >= 3, "each start prints its URL into the log");
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_is_ended_with_the_server_that_it_has_started() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "echo launching with $GREETING in {{{{data}}}}; '{}' stateless --listen 127.0.0.1:{{{{port}}}} & wait",
        sample()
    );
    let request = started(dir.path(), &["sh", "-c", &script], |start| {
        start.environment.insert("GREETING".to_owned(), Some("port-{{port}}".to_owned()));
    });
    let stack = start(&request).await.unwrap();
    let serving = stack.part(TARGET).unwrap().pid.unwrap();
    let program = std::fs::read_link(format!("/proc/{serving}/exe")).unwrap();
    assert!(
        program.ends_with("sample-server"),
        "faults are about the server and not its launcher: {}",
        program.display()
    );
    let log = stack.log(TARGET).await.unwrap();
    let folder = dir.path().join("data").join(TARGET);
    assert!(log.contains("launching with port-") && log.contains(folder.to_str().unwrap()), "{log}");
    assert!(folder.is_dir());
    stack.kill(TARGET).await.unwrap();
    assert!(!is_alive(serving), "the child of the launcher is left");
    let again = stack.start_again(TARGET).await.unwrap().pid.unwrap();
    stack.stop().await.unwrap();
    assert!(!is_alive(again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_come_up_is_reported_with_the_end_of_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let failure = |command: &[&str], change: fn(&mut Start)| {
        let request = started(dir.path(), command, change);
        async move { start(&request).await.err().unwrap() }
    };
    let died = failure(&["sh", "-c", "echo the last words; exit 3"], |_| {}).await;
    assert!(matches!(&died, StackError::Died { status, .. } if status.contains('3')), "{died}");
    assert!(died.to_string().contains("the last words"), "{died}");
    let silent =
        failure(&["sh", "-c", "echo waiting; sleep 60"], |start| start.deadline = Duration::from_secs(1)).await;
    assert!(matches!(&silent, StackError::NotReady { .. }) && silent.to_string().contains("waiting"), "{silent}");
    let sample = sample();
    let listening = [sample.as_str(), "stateless", "--listen", "127.0.0.1:{{port}}"];
    let elsewhere = failure(&listening, |start| {
        start.ready = Some("/health".to_owned());
        start.environment.insert("NO_SUCH_VARIABLE_HERE".to_owned(), None);
    });
    assert!(elsewhere.await.to_string().contains("`NO_SUCH_VARIABLE_HERE` is not set"));
    let missing = failure(&["no-such-program-here"], |_| {}).await;
    assert!(matches!(missing, StackError::MissingBinary { .. }), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_answers_makes_a_server_ready() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample();
    let request = started(dir.path(), &[&sample, "modern", "--listen", "127.0.0.1:{{port}}"], |start| {
        // The server has no such page, and says so with 404.
        start.ready = Some("/health".to_owned());
    });
    let stack = start(&request).await.unwrap();
    assert_eq!(put(&mut client(&stack)).await, Outcome::Ok);
    stack.stop().await.unwrap();
}

/// Starts a server that serves TLS.
async fn secured(folder: &Path) -> (SampleServer, ServerFiles) {
    let files = ServerFiles::write(folder, "127.0.0.1");
    let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
    (SampleServer::start(&["stateless", "--certificate", certificate, "--key", key]).await, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_proxy_see_requests_of_a_server_with_tls() {
    let dir = tempfile::tempdir().unwrap();
    let (server, files) = secured(dir.path()).await;
    let topology = Topology::target().proxied(CLIENT, TARGET);
    let stack = start(&at(dir.path(), &server.url, Some(&files.authority), None, topology)).await.unwrap();
    let mut client = client(&stack);
    assert_eq!(put(&mut client).await, Outcome::Ok);
    let proxy = stack.proxy(CLIENT, TARGET).unwrap();
    let (body, content_type) = ("{}".to_owned(), "application/json".to_owned());
    let unavailable = Status { status: 503, retry_after_secs: None, body, content_type };
    let guard = proxy.add(Rule::new(Toxic::Status(unavailable))).unwrap();
    assert_eq!(put(&mut client).await, Outcome::Failed(ErrorKind::Http(503)));
    assert_eq!(guard.remove().operations, 1, "the rule counted a request and not records of TLS");
    assert_eq!(put(&mut client).await, Outcome::Ok);
    assert!(matches!(stack.kill(TARGET).await, Err(StackError::Control { .. })), "the harness did not start it");
    stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = secured(dir.path()).await;
    let others = tempfile::tempdir().unwrap();
    let stranger = ServerFiles::write(others.path(), "127.0.0.1");
    let topology = Topology::target().proxied(CLIENT, TARGET);
    let stack = start(&at(dir.path(), &server.url, Some(&stranger.authority), None, topology)).await.unwrap();
    assert_ne!(put(&mut client(&stack)).await, Outcome::Ok);
    // The first contact goes around the proxy, so that it can tell a wrong certificate from a server that is down.
    let error = TargetAccess::of(&stack).unwrap().tools(ClientOptions::default()).await.unwrap_err();
    assert!(error.is_plan_error() && error.to_string().contains("--ca-file"), "{error}");
    stack.stop().await.unwrap();
}
