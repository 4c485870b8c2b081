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

/// Whether something was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// By this call, and by nobody before it.
    First,
    /// By somebody before.
    Before,
    /// No Redis is configured: there is no other instance to ask.
    NobodyElse,
    /// Redis did not answer.
    Unknown,
}

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
    link: RwLock<Link>,
    lost: Notify,
    /// Something was admitted here that Redis does not know of, although it is back.
    behind: Notify,
    decide: Script,
    settle: Script,
    local: LocalLimiter,
    limits: QuotaLimits,
    instance: uuid::Uuid,
}

/// The connection, and how many there were: a failure of an old one must not take the new one down.
#[derive(Default)]
struct Link {
    generation: u64,
    connection: Option<MultiplexedConnection>,
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
            link: RwLock::new(Link::default()),
            lost: Notify::new(),
            behind: Notify::new(),
            decide: Script::new(include_str!("decide.lua")),
            settle: Script::new(include_str!("settle.lua")),
            local,
            limits,
            instance: uuid::Uuid::new_v4(),
        });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let first = readiness.latch("redis");
        tracker.spawn(Arc::clone(&shared).keep(readiness, Some(first), stop.clone()));
        tracker.close();
        Self { shared, tracker, stop }
    }

    pub(super) async fn decide(&self, org: &str, plan: Plan, limits: QuotaLimits, now: Duration) -> Answer {
        let shared = &*self.shared;
        let (generation, connection) = {
            let link = shared.link.read();
            (link.generation, link.connection.clone())
        };
        let Some(mut connection) = connection else { return Answer::Down };
        let (day, second) = (now.as_secs() / DAY_SECS, now.as_secs());
        let mut call = shared.decide.key(shared.day_key(org, day));
        call.key(format!("mcp:quota:{}:{{{org}}}:s{second}", shared.service.name()));
        call.arg(limits.daily(plan)).arg(limits.burst_per_second).arg(KEEP_DAY_SECS);
        call.arg(shared.local.known(org, day));
        let answer: RedisResult<(u8, u64, u64, u8)> =
            match tokio::time::timeout(shared.deadline, call.invoke_async(&mut connection)).await {
                Ok(answer) => answer,
                Err(_) => return shared.went_down(generation, "no answer within the deadline"),
            };
        match answer {
            Ok((decision, day, second, lost)) => {
                if lost > 0 {
                    shared.state_lost();
                }
                let usage = Usage { day, second };
                Answer::Decided(match decision {
                    0 => Scripted::Admitted(usage),
                    1 => Scripted::OverDay(usage),
                    _ => Scripted::OverSecond(usage),
                })
            }
            Err(error) => shared.went_down(generation, &error.to_string()),
        }
    }

    /// Says that a call was admitted without Redis. Where the link is down, its return takes the call over; where it has come back since the
    /// call found it down, somebody has to be told.
    pub(super) fn admitted_here(&self) {
        if self.shared.link.read().connection.is_some() {
            self.shared.behind.notify_one();
        }
    }

    /// Calls of `org` on `day`, by service; `None` where Redis does not answer.
    pub(super) async fn days(&self, org: &str, day: u64) -> Option<Vec<(Service, u64)>> {
        let keys: Vec<String> = Service::ALL.iter().map(|service| day_key(*service, org, day)).collect();
        let used: Vec<Option<u64>> = self.ask(redis::cmd("MGET").arg(keys)).await?;
        Some(Service::ALL.into_iter().zip(used.into_iter().map(Option::unwrap_or_default)).collect())
    }

    /// Claims `name`, once over all instances and services.
    pub(super) async fn claim(&self, name: &str, lifetime: Duration) -> Claimed {
        let mut set = redis::cmd("SET");
        set.arg(format!("mcp:once:{name}")).arg(1).arg("NX").arg("EX").arg(lifetime.as_secs().max(1));
        match self.ask::<Option<String>>(&set).await {
            Some(Some(_)) => Claimed::First,
            Some(None) => Claimed::Before,
            None => Claimed::Unknown,
        }
    }

    /// One command within the deadline; `None` where it failed, and then the link is down.
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        let shared = &*self.shared;
        let (generation, connection) = {
            let link = shared.link.read();
            (link.generation, link.connection.clone())
        };
        let mut connection = connection?;
        let why = match tokio::time::timeout(shared.deadline, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within the deadline".to_owned(),
        };
        shared.went_down(generation, &why);
        None
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
        day_key(self.service, org, day)
    }

    /// Redis had forgotten calls that it told us of; they are put back, and it is counted.
    fn state_lost(&self) {
        metrics::counter!(metric::RATE_LIMIT_STATE_RESET_TOTAL, "service" => self.service.name()).increment(1);
    }

    /// Marks the link as down; said once, by the call that noticed.
    fn went_down(&self, generation: u64, why: &str) -> Answer {
        let mut link = self.link.write();
        if link.generation == generation && link.connection.take().is_some() {
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
        let mut degraded = None;
        loop {
            let mut pause = RETRY.0;
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
            // What was admitted here while the others were being taken over.
            self.behind.notify_one();
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.lost.notified() => break,
                    () = self.behind.notified() => self.catch_up().await,
                }
            }
            gauge.set(1.0);
            degraded = Some(readiness.degraded("redis"));
            // A Redis that takes every connection and fails every call must not be asked without a pause.
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY.0) => {}
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
        if !run_id.is_empty() && *run_id != now {
            tracing::warn!("redis was restarted: what it forgets is put back from what this instance knows");
            self.state_lost();
        }
        *run_id = now;
        // A Redis that answers but takes no writes is not back.
        let probe = format!("mcp:quota:{}:probe:{}", self.service.name(), self.instance);
        let mut set = redis::cmd("SET");
        set.arg(probe).arg(1).arg("EX").arg(10);
        let _: () = set.query_async(&mut connection).await.map_err(text)?;
        self.settle(&mut connection).await.map_err(text)?;
        let mut link = self.link.write();
        link.generation += 1;
        link.connection = Some(connection);
        Ok(())
    }

    /// Has Redis take over what was admitted while it was coming back; a link that fails at it is down.
    async fn catch_up(&self) {
        let (generation, connection) = {
            let link = self.link.read();
            (link.generation, link.connection.clone())
        };
        let Some(mut connection) = connection else { return };
        let why = match tokio::time::timeout(CONNECT_DEADLINE, self.settle(&mut connection)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within the deadline".to_owned(),
        };
        self.went_down(generation, &why);
    }

    async fn settle(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        for open in self.local.unsettled() {
            self.take_over(connection, &open).await?;
        }
        Ok(())
    }

    async fn take_over(&self, connection: &mut MultiplexedConnection, open: &Unsettled) -> RedisResult<()> {
        let mut call = self.settle.key(self.day_key(&open.org, open.day));
        call.key(format!(
            "mcp:quota:{}:{{{}}}:settled:{}:{}",
            self.service.name(),
            open.org,
            self.instance,
            open.number
        ));
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

/// Key of an organisation's calls to `service` on `day`.
fn day_key(service: Service, org: &str, day: u64) -> String {
    format!("mcp:quota:{}:{{{org}}}:d{day}", service.name())
}
