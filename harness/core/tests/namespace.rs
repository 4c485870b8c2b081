//! What is reached beyond loopback, in a network namespace with addresses, a file of names and a certificate authority of its own. It needs root or
//! namespaces of users: `make test-namespace`.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

#[path = "support/authority.rs"]
mod authority;
#[path = "support/sample_server.rs"]
mod sample_server;

use authority::ServerFiles;
use harness_core::drive::client::{Client, ClientOptions, Endpoint};
use harness_core::plan::reach::Reach;
use harness_core::plan::trust::Trust;
use harness_history::{ErrorKind, Outcome};
use sample_server::SampleServer;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Set in the process that is in the namespace.
const INSIDE: &str = "HARNESS_TEST_IN_NAMESPACE";
const NAME: &str = "staging.harness.test";
/// The address of the server. It is in a network for documentation (RFC 5737), as is the next one.
const SERVER: &str = "192.0.2.10";
/// An address at which nothing listens.
const OTHER: &str = "192.0.2.11";

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.is_ok_and(|status| status.success()), "`{program} {}` failed", arguments.join(" "));
}

/// Runs this test again in namespaces of its own, which end with the process.
fn enter() {
    let this = std::env::current_exe().unwrap();
    let name = "a_host_is_reached_if_it_is_listed_and_at_the_address_that_was_checked";
    // Root needs no namespace of users, and some systems refuse one to other users.
    let rights: &[&str] = if nix::unistd::geteuid().is_root() { &[] } else { &["--map-root-user"] };
    let status = Command::new("unshare")
        .args(rights)
        .args(["--net", "--mount", "--"])
        .arg(this)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "yes")
        .status()
        .expect("`unshare` of util-linux is installed");
    assert!(
        status.success(),
        "the test failed in its namespace, or this user may not make one (it needs root, or namespaces of users)"
    );
}

/// Gives names to addresses in this namespace alone.
fn name(hosts: &Path, lines: &[(&str, &str)]) {
    let text: String = lines.iter().map(|(address, name)| format!("{address} {name}\n")).collect();
    std::fs::write(hosts, text).unwrap();
}

async fn outcome(endpoint: Endpoint) -> Outcome {
    let options = ClientOptions { deadline: Duration::from_secs(60), ..ClientOptions::default() };
    Client::negotiating(Arc::new(endpoint), options).call("echo", &json!({ "text": "x" })).await.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_reached_if_it_is_listed_and_at_the_address_that_was_checked() {
    if std::env::var_os(INSIDE).is_none() {
        return enter();
    }
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    name(&hosts, &[("127.0.0.1", "localhost"), (SERVER, NAME)]);
    run("mount", &["--bind", hosts.to_str().unwrap(), "/etc/hosts"]);
    run("ip", &["link", "set", "lo", "up"]);
    for address in [SERVER, OTHER] {
        run("ip", &["address", "add", &format!("{address}/32"), "dev", "lo"]);
    }
    let files = ServerFiles::write(folder.path(), NAME);
    let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
    let listen = format!("{SERVER}:0");
    let arguments = ["modern", "--listen", &listen, "--allow-host", NAME, "--certificate", certificate, "--key", key];
    let server = SampleServer::start(&arguments).await;
    let url = server.url.replace(SERVER, NAME);
    let endpoint = || Endpoint::new(&url, || Trust::load(Some(&files.authority))).unwrap();

    let why = Reach::default().resolve(&url).await.unwrap_err();
    assert!(why.contains("is not this machine"), "{why}");
    let reach = Reach::to(&[NAME.to_owned()]);
    let reached = reach.resolve(&url).await.unwrap();
    assert!(!reached.is_loopback);
    assert_eq!(reached.addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(), [SERVER]);
    assert_eq!(outcome(endpoint().pinned(&reached.addresses)).await, Outcome::Ok);

    name(&hosts, &[("127.0.0.1", "localhost"), (OTHER, NAME)]);
    assert_eq!(reach.resolve(&url).await.unwrap().addresses[0].ip().to_string(), OTHER, "the name has moved");
    assert_eq!(outcome(endpoint()).await, Outcome::Failed(ErrorKind::Connect), "at the new address nothing listens");
    assert_eq!(outcome(endpoint().pinned(&reached.addresses)).await, Outcome::Ok, "the pinned address is used");

    for forbidden in ["169.254.169.254", "224.0.0.1", "fe80::1"] {
        name(&hosts, &[(SERVER, NAME), (forbidden, NAME)]);
        let why = reach.resolve(&url).await.unwrap_err();
        assert!(why.contains("never reached") && why.contains(forbidden), "{why}");
    }
    name(&hosts, &[(SERVER, "localhost")]);
    let why = Reach::default().resolve("http://localhost:1").await.unwrap_err();
    assert!(why.contains(SERVER) && why.contains("not in loopback"), "{why}");
}
