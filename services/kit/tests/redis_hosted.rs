//! Hosted Redis: TLS, ACL users, and Sentinels that fail over to a new master. Runs real Redis servers.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::guardrails::{VerdictClaims, VerdictKind};
use mcp_contracts::{Plan, Service, env};
use mcp_kit::quota::{Mode, Quota, QuotaDecision};
use mcp_kit::{Readiness, Settings, SingleUse};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(40);

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Redis or a Sentinel that ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path, port: u16, arguments: &[String]) -> Self {
        let mut command = Command::new("redis-server");
        command.current_dir(folder).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn().unwrap(), port };
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Starts a Redis with the additional arguments `more`.
    fn redis(folder: &Path, port: u16, tls: Option<&Certificates>, more: &[&str]) -> Self {
        let mut arguments = words("--bind 127.0.0.1 --save  --appendonly no");
        // An empty value: no snapshots.
        arguments[3].clear();
        arguments.extend(listen(port, tls));
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        Self::start(folder, port, &arguments)
    }

    /// Starts a Sentinel that monitors `master` under the name `main`. `more` holds further lines of its configuration file.
    fn sentinel(folder: &Path, master: u16, tls: Option<&Certificates>, more: &str) -> Self {
        let port = free_port();
        let file = folder.join(format!("sentinel-{port}.conf"));
        let text = format!(
            "bind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 3000\n{more}\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        arguments.extend(listen(port, tls));
        Self::start(folder, port, &arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn listen(port: u16, tls: Option<&Certificates>) -> Vec<String> {
    let Some(tls) = tls else { return words(&format!("--port {port}")) };
    let (certificate, key, ca) = (tls.certificate.display(), tls.key.display(), tls.ca.display());
    words(&format!(
        "--port 0 --tls-port {port} --tls-cert-file {certificate} --tls-key-file {key} --tls-ca-cert-file {ca} \
         --tls-auth-clients no --tls-replication yes"
    ))
}

/// A certificate for 127.0.0.1 and that of its issuer, as files.
struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl Certificates {
    fn write(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer_key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&issuer_key).unwrap();
        let issuer = Issuer::new(params, issuer_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let file = |kind: &str, text: String| {
            let path = folder.join(format!("{name}-{kind}.pem"));
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            certificate: file("certificate", certificate.pem()),
            key: file("key", key.serialize_pem()),
            ca: file("ca", ca.pem()),
        }
    }
}

fn quota(url: &str, ca: Option<&Path>) -> (Quota, Readiness) {
    let mut settings = BTreeMap::from([
        (env::REDIS_URL.to_owned(), url.to_owned()),
        (env::QUOTA_BURST_PER_SECOND.to_owned(), "100000".to_owned()),
        (env::REDIS_DEADLINE_MS.to_owned(), "1000".to_owned()),
    ]);
    if let Some(ca) = ca {
        settings.insert(env::REDIS_CA_FILE.to_owned(), ca.display().to_string());
    }
    let readiness = Readiness::default();
    (Quota::new(&Settings::from_values(Service::Memory, &settings).unwrap(), &readiness), readiness)
}

async fn mode(quota: &Quota) -> Option<Mode> {
    match quota.decide("acme", Plan::Free).await {
        QuotaDecision::Admitted(state) | QuotaDecision::Limited(state) => Some(state.mode),
        QuotaDecision::Refused { .. } => None,
    }
}

/// Waits until the quota is counted in Redis and not by the local fallback.
async fn counted(quota: &Quota, what: &str) {
    let since = Instant::now();
    while mode(quota).await != Some(Mode::Redis) {
        assert!(since.elapsed() < PATIENCE, "{what}: Redis does not decide");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the reply of the server on this port to the command `question` contains `text`.
async fn until_it_says(port: u16, password: &str, question: &[&str], text: &str) {
    let since = Instant::now();
    loop {
        let port = port.to_string();
        let asked = ["-p", &port, "-a", password, "--no-auth-warning"].into_iter().chain(question.iter().copied());
        let said = Command::new("redis-cli").args(asked).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        if said.contains(text) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{question:?} is not answered with `{text}`: {said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_redis_with_tls_and_a_user_counts_and_a_foreign_certificate_is_refused() {
    let folder = TempDir::new().unwrap();
    let (own, foreign) = (Certificates::write(folder.path(), "own"), Certificates::write(folder.path(), "foreign"));
    // A user who can access only our keys. The password contains characters that a URL must encode.
    let user = ["--user", "app", "on", ">p@ss:w/rd#1", "~mcp:*", "+@all", "-@admin", "-@dangerous", "+info"];
    let server = Server::redis(folder.path(), free_port(), Some(&own), &user);
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("rediss://app:p%40ss%3Aw%2Frd%231@{host}:{}", server.port);
        counted(&quota(&url, Some(&own.ca)).0, host).await;
    }
    let url = format!("rediss://127.0.0.1:{}", server.port);
    // Neither the system's root certificates nor the CA in another file has issued the server's certificate.
    for ca in [None, Some(foreign.ca.as_path())] {
        let (quota, readiness) = quota(&url, ca);
        let since = Instant::now();
        while !readiness.reply().fallbacks.iter().any(|fallback| fallback == "redis") {
            assert!(since.elapsed() < PATIENCE, "the certificate was not refused");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(mode(&quota).await, Some(Mode::Fallback));
    }
}

/// Returns the rules of an ACL user that may do what `docs/mcp/OPERATIONS.md` names.
fn documented_rules() -> Vec<String> {
    let manual = include_str!("../../../docs/mcp/OPERATIONS.md");
    let (_, list) = manual.split_once("to these commands: ").expect("the manual lists the commands");
    let (list, _) = list.split_once(". After").expect("the list ends");
    let command = |name: &str| format!("+{}", name.to_lowercase().replace(' ', "|"));
    let mut rules = words("--user app on >secret ~mcp:*");
    rules.extend(list.split('`').skip(1).step_by(2).map(command));
    assert!(rules.contains(&"+script|load".to_owned()) && rules.len() > 15, "{rules:?}");
    rules
}

#[tokio::test]
async fn a_user_with_the_documented_commands_can_count_settle_and_claim() {
    let folder = TempDir::new().unwrap();
    let rules = documented_rules();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let server = Server::redis(folder.path(), free_port(), None, &rules);
    let (quota, readiness) = quota(&format!("redis://app:secret@127.0.0.1:{}", server.port), None);
    // The first calls are decided without Redis, and settled when it is connected.
    assert_eq!(mode(&quota).await, Some(Mode::Fallback));
    counted(&quota, "the documented user").await;
    let expiry = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 60;
    let verdict = VerdictClaims {
        kind: VerdictKind::Acknowledged,
        org_id: "acme".into(),
        sub: "ann".into(),
        execution_id: "e".into(),
        request_hash: "h".into(),
        rules_version: "v".into(),
        rules: Vec::new(),
        exp: expiry,
        iat: expiry - 30,
        jti: "one".into(),
        aud: "mcp-verdict".into(),
    };
    SingleUse::new(quota.clone()).take(&verdict).await.unwrap();
    assert_eq!(quota.usage("acme", Plan::Free).await[0].1.mode, Mode::Redis);
    assert!(readiness.reply().fallbacks.is_empty(), "{:?}", readiness.reply());
    quota.stop().await;
}

#[tokio::test]
async fn the_quota_follows_the_sentinels_to_a_new_master() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (free_port(), free_port());
    let login = ["--requirepass", "p@ss", "--masterauth", "p@ss"];
    let master = Server::redis(folder.path(), first, None, &login);
    let mut replica = login.to_vec();
    let place = first.to_string();
    replica.extend(["--replicaof", "127.0.0.1", &place]);
    let _replica = Server::redis(folder.path(), second, None, &replica);
    // Must be done before the Sentinel starts: it queries the master for replicas at its start, and then only every ten seconds.
    until_it_says(first, "p@ss", &["info", "replication"], "state=online").await;
    let sentinel = Server::sentinel(folder.path(), first, None, "sentinel auth-pass main p@ss\nrequirepass s&cret");
    let dead = free_port();
    // Nothing listens on `dead`, so the client must try the second Sentinel.
    let url = format!(
        "redis+sentinel://:p%40ss@127.0.0.1:{dead},127.0.0.1:{}/main/0?sentinelPassword=s%26cret",
        sentinel.port
    );
    let (quota, _readiness) = quota(&url, None);
    counted(&quota, "the first master").await;
    // Sentinel promotes a replica only after it has found it.
    until_it_says(sentinel.port, "s&cret", &["sentinel", "replicas", "main"], &second.to_string()).await;
    drop(master);
    let since = Instant::now();
    while mode(&quota).await == Some(Mode::Redis) {
        assert!(since.elapsed() < PATIENCE, "the quota still uses the old master");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    counted(&quota, "the new master").await;
}

#[tokio::test]
async fn sentinels_with_tls_lead_to_a_master_with_tls() {
    let folder = TempDir::new().unwrap();
    let own = Certificates::write(folder.path(), "own");
    let master = Server::redis(folder.path(), free_port(), Some(&own), &[]);
    let sentinel = Server::sentinel(folder.path(), master.port, Some(&own), "");
    let url = format!("rediss+sentinel://127.0.0.1:{}/main", sentinel.port);
    counted(&quota(&url, Some(&own.ca)).0, "the master with TLS").await;
}
