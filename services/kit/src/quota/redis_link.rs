//! The connection to Redis: one pipelined connection, one deadline per call, never a retry. When a call fails the link is
//! down at once, so that no later call pays the deadline; a task brings it back, after Redis has taken over what was admitted meanwhile.

use super::local::{LocalLimiter, Unsettled};
use super::usage::{DAY_SECS, Scripted, Usage};
use crate::readiness::Readiness;
use crate::settings::{QuotaLimits, Secret};
use mcp_contracts::{Plan, Service, metric};
use parking_lot::RwLock;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a day's counter is kept after its first call.
const KEEP_DAY_SECS: u64 = 2 * DAY_SECS;
/// Pause between two attempts to come back: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long connecting and settling may take at once.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// What Redis says about a call.
pub(super) enum Answer {
    Decided(Scripted),
    Down,
}

pub(super) struct RedisLink {
    shared: Arc<Shared>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

struct Shared {
    service: Service,
    client: Option<Client>,
    deadline: Duration,
    connection: RwLock<Option<MultiplexedConnection>>,
    lost: Notify,
    decide: Script,
    settle: Script,
    local: LocalLimiter,
    limits: QuotaLimits,
    instance: uuid::Uuid,
    settlements: AtomicU64,
}

impl RedisLink {
    pub(super) fn start(
        service: Service,
        url: &Secret,
        deadline: Duration,
        local: LocalLimiter,
        limits: QuotaLimits,
        readiness: Readiness,
    ) -> Self {
        let shared = Arc::new(Shared {
            service,
            client: Client::open(url.reveal()).ok(),
            deadline,
            connection: RwLock::new(None),
            lost: Notify::new(),
            decide: Script::new(include_str!("decide.lua")),
            settle: Script::new(include_str!("settle.lua")),
            local,
            limits,
            instance: uuid::Uuid::new_v4(),
            settlements: AtomicU64::new(0),
        });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let first = readiness.latch("redis");
        tracker.spawn(Arc::clone(&shared).keep(readiness, Some(first), stop.clone()));
        tracker.close();
        Self { shared, tracker, stop }
    }

    pub(super) async fn decide(&self, org: &str, plan: Plan, limits: QuotaLimits, now: Duration) -> Answer {
        let shared = &*self.shared;
        let Some(mut connection) = shared.connection.read().clone() else { return Answer::Down };
        let (day, second) = (now.as_secs() / DAY_SECS, now.as_secs());
        let mut call = shared.decide.key(shared.day_key(org, day));
        call.key(format!("mcp:quota:{}:{{{org}}}:s{second}", shared.service.name()));
        call.arg(limits.daily(plan)).arg(limits.burst_per_second).arg(KEEP_DAY_SECS);
        let answer: RedisResult<(u8, u64, u64)> =
            match tokio::time::timeout(shared.deadline, call.invoke_async(&mut connection)).await {
                Ok(answer) => answer,
                Err(_) => return shared.went_down("no answer within the deadline"),
            };
        match answer {
            Ok((decision, day, second)) => {
                let usage = Usage { day, second };
                Answer::Decided(match decision {
                    0 => Scripted::Admitted(usage),
                    1 => Scripted::OverDay(usage),
                    _ => Scripted::OverSecond(usage),
                })
            }
            Err(error) => shared.went_down(&error.to_string()),
        }
    }

    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.tracker.wait().await;
    }
}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn day_key(&self, org: &str, day: u64) -> String {
        format!("mcp:quota:{}:{{{org}}}:d{day}", self.service.name())
    }

    /// Marks the link as down; said once, by the call that noticed.
    fn went_down(&self, why: &str) -> Answer {
        if self.connection.write().take().is_some() {
            tracing::warn!(why, "the quota goes on without redis");
            self.lost.notify_one();
        }
        Answer::Down
    }

    /// Brings the connection back whenever it is lost, until `stop`.
    async fn keep(
        self: Arc<Self>,
        readiness: Readiness,
        mut first: Option<crate::readiness::Latch>,
        stop: CancellationToken,
    ) {
        let gauge = metrics::gauge!(metric::RATE_LIMIT_FALLBACK_ACTIVE, "service" => self.service.name());
        let mut run_id = String::new();
        loop {
            let mut pause = RETRY.0;
            let mut degraded = None;
            loop {
                let attempt = tokio::time::timeout(CONNECT_DEADLINE, self.come_back(&mut run_id));
                let result = tokio::select! {
                    () = stop.cancelled() => return,
                    result = attempt => result.unwrap_or_else(|_| Err("no answer within the deadline".to_owned())),
                };
                // Readiness waits for the first attempt alone: a service starts without Redis if it must.
                drop(first.take());
                let Err(why) = result else { break };
                if degraded.is_none() {
                    tracing::warn!(why, "redis does not answer");
                    gauge.set(1.0);
                    degraded = Some(readiness.degraded("redis"));
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(RETRY.1);
            }
            if degraded.take().is_some() {
                tracing::info!("redis answers again");
            }
            gauge.set(0.0);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.lost.notified() => gauge.set(1.0),
            }
        }
    }

    async fn come_back(&self, run_id: &mut String) -> Result<(), String> {
        let client = self.client.as_ref().ok_or("the URL of Redis cannot be used")?;
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_DEADLINE)).set_response_timeout(None);
        let text = |error: redis::RedisError| error.to_string();
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(text)?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.map_err(text)?;
        let now = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim().to_owned();
        let lost = !run_id.is_empty() && *run_id != now;
        if lost {
            tracing::warn!("redis was restarted: its counters are brought back to what this instance knows");
            metrics::counter!(metric::RATE_LIMIT_STATE_RESET_TOTAL, "service" => self.service.name()).increment(1);
        }
        let name = self.settlements.fetch_add(1, Ordering::Relaxed);
        for (number, open) in self.local.unsettled(lost).iter().enumerate() {
            self.take_over(&mut connection, open, &format!("{}:{name}:{number}", self.instance)).await.map_err(text)?;
        }
        *run_id = now;
        *self.connection.write() = Some(connection);
        Ok(())
    }

    async fn take_over(&self, connection: &mut MultiplexedConnection, open: &Unsettled, name: &str) -> RedisResult<()> {
        let mut call = self.settle.key(self.day_key(&open.org, open.day));
        call.key(format!("mcp:quota:{}:{{{}}}:settled:{name}", self.service.name(), open.org));
        call.arg(open.calls).arg(KEEP_DAY_SECS).arg(open.known);
        let used: u64 = call.invoke_async(connection).await?;
        self.local.settled(open, used);
        let over = used.saturating_sub(self.limits.daily(open.plan)).min(open.calls);
        if over > 0 {
            tracing::warn!(orgId = &*open.org, calls = over, "calls past the limit were admitted without redis");
            metrics::counter!(metric::RATE_LIMIT_BYPASS_TOTAL, "service" => self.service.name()).increment(over);
        }
        Ok(())
    }
}
