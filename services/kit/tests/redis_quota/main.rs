//! The quota with a real Redis: exact under concurrency, and every call admitted without Redis is reported.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

mod leases;
mod limits;
mod outages;
mod single_use;

use mcp_contracts::{Plan, Service, env};
use mcp_kit::quota::{Mode, Quota, QuotaDecision};
use mcp_kit::{Readiness, Settings};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis process that ends with the test.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
}

impl Redis {
    pub(crate) fn start(port: Option<u16>) -> Self {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = port.unwrap_or_else(free);
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, port }
    }

    pub(crate) fn signal(&self, name: &str) {
        Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
    }

    pub(crate) fn forget_everything(&self) {
        let flush = Command::new("redis-cli").args(["-p", &self.port.to_string(), "flushall"]).output().unwrap();
        assert!(flush.status.success(), "{flush:?}");
    }

    pub(crate) fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }

    pub(crate) fn quota(&self, values: &[(&str, &str)]) -> (Quota, Readiness) {
        let mut settings = BTreeMap::from([
            (env::REDIS_URL.to_owned(), format!("redis://127.0.0.1:{}", self.port)),
            (env::QUOTA_BURST_PER_SECOND.to_owned(), "100000".to_owned()),
            (env::REDIS_DEADLINE_MS.to_owned(), "500".to_owned()),
        ]);
        settings.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let readiness = Readiness::default();
        (Quota::new(&Settings::from_values(Service::Memory, &settings).unwrap(), &readiness), readiness)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn decide(quota: &Quota, org: &str) -> QuotaDecision {
    quota.decide(org, Plan::Free).await
}

pub(crate) fn mode(decision: &QuotaDecision) -> Option<Mode> {
    match decision {
        QuotaDecision::Admitted(state) | QuotaDecision::Limited(state) => Some(state.mode),
        QuotaDecision::Refused { .. } => None,
    }
}

pub(crate) async fn until(quota: &Quota, org: &str, wanted: impl Fn(&QuotaDecision) -> bool) -> QuotaDecision {
    let since = Instant::now();
    loop {
        let decision = decide(quota, org).await;
        if wanted(&decision) {
            return decision;
        }
        assert!(since.elapsed() < PATIENCE, "still {decision:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn connected(quota: &Quota) {
    until(quota, "probe", |decision| mode(decision) == Some(Mode::Redis)).await;
}

/// Returns how many decisions Redis was asked for.
pub(crate) fn scripts_run(redis: &Redis) -> u64 {
    let info =
        Command::new("redis-cli").args(["-p", &redis.port.to_string(), "info", "commandstats"]).output().unwrap();
    let text = String::from_utf8(info.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    line.split(',').next().unwrap().parse().unwrap()
}
