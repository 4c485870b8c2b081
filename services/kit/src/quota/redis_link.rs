//! The connection to Redis: one pipelined connection, a deadline per call, no retries. If a call fails, the link is marked as down at once,
//! so that no later call waits for the deadline. A background task reconnects. Before other calls use the new connection, it settles the
//! calls that this process admitted while the link was down (decision 0007), and reads which tokens are revoked (decision 0038).

mod decide;

use super::lanes::Lanes;
use super::lease::Leases;
use super::local::{LocalLimiter, Settlement};
use super::usage::{DAY_SECS, WindowDecision};
use crate::auth::now_secs;
use crate::readiness::{Degraded, Latch, Readiness};
use crate::redis_target::RedisTarget;
use crate::revocation::{POLL, Revocations};
use crate::settings::QuotaLimits;
use mcp_contracts::{Plan, Service, metric};
use parking_lot::{Mutex, RwLock};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult, Script};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Lifetime of a day's counter. Two days, so that a settlement of yesterday still finds its counter.
const KEEP_DAY_SECS: u64 = 2 * DAY_SECS;
/// First and longest pause between two attempts to reconnect; each failure doubles the pause.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Deadline for connecting and settling together, for each server that has to be asked. Longer than that of a call, because no request waits for it.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// Time between two looks for leases that have ended. With the second of the lease it bounds the time for which an unused call is missing elsewhere.
const GIVE_BACK: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleUseResult {
    /// This call is the first to claim the name.
    First,
    /// An earlier call has claimed the name.
    Taken,
    /// No Redis is configured, so there is no other instance.
    NoRedis,
    /// Redis lost its data after the name was issued, so an earlier claim may be lost.
    Lost,
    /// Redis did not answer.
    Unknown,
}

pub(super) enum RedisDecision {
    Decided(WindowDecision),
    Down,
}

pub(super) struct RedisLink {
    shared: Arc<Shared>,
}

struct Shared {
    /// Every task of the link.
    tracker: TaskTracker,
    /// Ends the tasks that do not end by themselves.
    stop: CancellationToken,
    service: Service,
    target: RedisTarget,
    deadline: Duration,
    link: RwLock<Link>,
    /// Notified when the link goes down.
    lost: Notify,
    /// Notified when calls that this process admitted may have missed the settlement of the last reconnect.
    unsettled: Notify,
    lanes: Arc<Lanes<RedisDecision>>,
    leases: Leases,
    decide: Script,
    settle: Script,
    claim: Script,
    local: LocalLimiter,
    limits: QuotaLimits,
    instance: uuid::Uuid,
    readiness: Readiness,
    revocations: Revocations,
    /// Set while Redis answers and the list of revocations cannot be read.
    unread: Mutex<Option<Degraded>>,
}

/// The connection with its number: the failure of an old connection must not mark a new one as down.
#[derive(Default)]
struct Link {
    generation: u64,
    connection: Option<MultiplexedConnection>,
    /// Names the process of Redis; a connection never changes to another one.
    run_id: Arc<str>,
}

/// Since when Redis has every claim.
const MARK: &str = "mcp:once:since";

impl RedisLink {
    pub(super) fn start(
        service: Service,
        target: RedisTarget,
        deadline: Duration,
        local: LocalLimiter,
        limits: QuotaLimits,
        revocations: Revocations,
        readiness: Readiness,
    ) -> Self {
        let shared = Arc::new(Shared {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            service,
            target,
            deadline,
            link: RwLock::new(Link::default()),
            lost: Notify::new(),
            unsettled: Notify::new(),
            lanes: Arc::default(),
            leases: Leases::default(),
            decide: Script::new(include_str!("decide.lua")),
            settle: Script::new(include_str!("settle.lua")),
            claim: Script::new(include_str!("claim.lua")),
            local,
            limits,
            instance: uuid::Uuid::new_v4(),
            readiness,
            revocations,
            unread: Mutex::default(),
        });
        let first = shared.readiness.latch("redis");
        shared.tracker.spawn(Arc::clone(&shared).keep_connected(Some(first)));
        shared.tracker.close();
        Self { shared }
    }

    /// Decides about a call: by the lease of its organisation, else by a script, together with the calls that wait at the same time.
    pub(super) async fn decide(&self, org: &str, plan: Plan, now: Duration) -> RedisDecision {
        let shared = &self.shared;
        // Before the lease, so that an outage that is known ends it.
        if shared.link.read().connection.is_none() {
            return RedisDecision::Down;
        }
        if let Some(usage) = shared.leases.admit(org, plan, now.as_secs()) {
            return RedisDecision::Decided(WindowDecision::Admitted(usage));
        }
        let (decision, worker) = shared.lanes.join((Arc::from(org), plan));
        if let Some(worker) = worker {
            // A task of its own, because the client of a call may go, and the other calls still need the decision.
            shared.tracker.spawn(Arc::clone(shared).decide_waiting(worker));
        }
        // Fails only if the worker panics, or the runtime ends.
        decision.await.unwrap_or(RedisDecision::Down)
    }

    /// Must be called after a call was admitted without Redis. While the link is down, this does nothing: the reconnect settles the
    /// call. If the link came up in the meantime, its settlement may have missed the call, so this requests another one.
    pub(super) fn note_local_admission(&self) {
        if self.shared.link.read().connection.is_some() {
            self.shared.unsettled.notify_one();
        }
    }

    /// Returns the calls of `org` on `day` by service; `None` if Redis does not answer. What another instance has leased counts until it is given back.
    pub(super) async fn days(&self, org: &str, day: u64) -> Option<Vec<(Service, u64)>> {
        let keys =
            Service::ALL.into_iter().flat_map(|service| [day_key(service, org, day), unused_key(service, org, day)]);
        let keys: Vec<String> = keys.collect();
        let counts: Vec<Option<u64>> =
            self.run(async |_, connection| redis::cmd("MGET").arg(keys).query_async(connection).await).await?;
        let used = |counts: &[Option<u64>]| match counts {
            [counted, unused] => counted.unwrap_or_default().saturating_sub(unused.unwrap_or_default()),
            _ => 0,
        };
        let left = |service| if service == self.shared.service { self.shared.leases.leftover(org, day) } else { 0 };
        let days = Service::ALL.into_iter().zip(counts.chunks(2));
        Some(days.map(|(service, counts)| (service, used(counts).saturating_sub(left(service)))).collect())
    }

    /// Claims a name that was issued at `issued`, once over all instances and services.
    pub(super) async fn use_once(&self, name: &str, issued: Duration, lifetime: Duration) -> SingleUseResult {
        let claimed = self.run(async |run_id, connection| {
            let mut claim = self.shared.claim.key(MARK);
            // The entry may end with the verdict, because an expired verdict is refused anyway.
            claim.key(format!("mcp:once:{name}")).arg(run_id).arg(issued.as_millis() as u64);
            claim.arg(lifetime.as_secs().max(1)).invoke_async::<u8>(connection).await
        });
        match claimed.await {
            Some(0) => SingleUseResult::First,
            Some(1) => SingleUseResult::Taken,
            Some(_) => SingleUseResult::Lost,
            None => SingleUseResult::Unknown,
        }
    }

    /// Runs commands within the deadline. Returns `None` and marks the link as down if they fail.
    async fn run<T>(
        &self,
        commands: impl AsyncFnOnce(&str, &mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let shared = &*self.shared;
        let (generation, run_id, connection) = {
            let link = shared.link.read();
            (link.generation, Arc::clone(&link.run_id), link.connection.clone())
        };
        let mut connection = connection?;
        let why = match tokio::time::timeout(shared.deadline, commands(&run_id, &mut connection)).await {
            Ok(Ok(reply)) => return Some(reply),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within the deadline".to_owned(),
        };
        shared.mark_down(generation, &why);
        None
    }

    pub(super) async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tracker.wait().await;
        // No other instance can give back what this one has leased. Last, because a script that was on its way may have brought a lease.
        let _ = tokio::time::timeout(CONNECT_DEADLINE, self.shared.give_back(true)).await;
    }
}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    fn day_key(&self, org: &str, day: u64) -> String {
        day_key(self.service, org, day)
    }

    /// Counts in a metric that Redis lost its counters. The scripts restore them.
    fn count_lost_state(&self) {
        metrics::counter!(metric::RATE_LIMIT_STATE_RESET_TOTAL, "service" => self.service.name()).increment(1);
    }

    /// Marks the link as down, unless a newer connection has replaced the failed one. Only the first call that notices is logged.
    fn mark_down(&self, generation: u64, why: &str) {
        let mut link = self.link.write();
        if link.generation == generation && link.connection.take().is_some() {
            tracing::warn!(why, "the quota continues without redis");
            // `notify_one` keeps one notice, so this one is not lost while the task settles calls.
            self.lost.notify_one();
        }
    }

    /// Reconnects whenever the connection is lost, until `stop` is cancelled.
    async fn keep_connected(self: Arc<Self>, mut first: Option<Latch>) {
        let gauge = metrics::gauge!(metric::RATE_LIMIT_FALLBACK_ACTIVE, "service" => self.service.name());
        let mut run_id = String::new();
        let mut degraded = None;
        loop {
            let mut pause = RETRY.0;
            loop {
                let attempt = tokio::time::timeout(CONNECT_DEADLINE * self.target.places(), self.connect(&mut run_id));
                let result = tokio::select! {
                    () = self.stop.cancelled() => return,
                    result = attempt => result.unwrap_or_else(|_| Err("no answer within the deadline".to_owned())),
                };
                // Readiness waits only for the first attempt, because a service must be able to start without Redis.
                drop(first.take());
                let Err(why) = result else { break };
                if degraded.is_none() {
                    tracing::warn!(why, "redis does not answer");
                    gauge.set(1.0);
                    degraded = Some(self.readiness.degraded("redis"));
                }
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(RETRY.1);
            }
            if degraded.take().is_some() {
                tracing::info!("redis answers again");
            }
            gauge.set(0.0);
            // Calls may have been admitted here while the reconnect settled the earlier ones.
            self.unsettled.notify_one();
            let [mut poll, mut leases] = [POLL, GIVE_BACK].map(tokio::time::interval);
            poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
            leases.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = self.lost.notified() => break,
                    () = self.unsettled.notified() => self.settle_late().await,
                    _ = poll.tick() => tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = self.poll_revocations() => {}
                    },
                    // Not cut short by the stop: what was taken out to be given back would be lost.
                    _ = leases.tick() => self.give_back(false).await,
                }
            }
            gauge.set(1.0);
            degraded = Some(self.readiness.degraded("redis"));
            // Without this pause, a Redis that accepts connections and fails every call would be reconnected in a busy loop.
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(RETRY.0) => {}
            }
        }
    }

    async fn connect(&self, run_id: &mut String) -> Result<(), String> {
        // Every command has a deadline of its own, so the client's response timeout (500 ms by default) is off.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_DEADLINE)).set_response_timeout(None);
        let text = |error: redis::RedisError| error.to_string();
        let mut connection = self.target.connect(&config).await.map_err(text)?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.map_err(text)?;
        let current = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim().to_owned();
        if !run_id.is_empty() && *run_id != current {
            tracing::warn!("redis was restarted; its counters are restored from the counts that this instance has");
            self.count_lost_state();
        }
        *run_id = current;
        let _: u8 = self.claim.key(MARK).arg(&*run_id).invoke_async(&mut connection).await.map_err(text)?;
        // A replica, or a Redis that is out of memory, answers reads and refuses writes, so only a write shows that
        // Redis is usable.
        let probe = format!("mcp:quota:{}:probe:{}", self.service.name(), self.instance);
        let mut set = redis::cmd("SET");
        // The key expires, because the id of the instance in its name is new at every start.
        set.arg(probe).arg(1).arg("EX").arg(10);
        let _: () = set.query_async(&mut connection).await.map_err(text)?;
        // Before the connection is published: a call that Redis decides must already see the calls that were admitted
        // without it.
        self.settle(&mut connection).await.map_err(text)?;
        self.read_revocations(&mut connection, true).await.map_err(text)?;
        let mut link = self.link.write();
        link.generation += 1;
        link.connection = Some(connection);
        link.run_id = run_id.as_str().into();
        Ok(())
    }

    /// Settles calls that were admitted while the reconnect settled the earlier ones; marks the link as down if that fails.
    async fn settle_late(&self) {
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
        self.mark_down(generation, &why);
    }

    async fn poll_revocations(&self) {
        let (generation, connection) = {
            let link = self.link.read();
            (link.generation, link.connection.clone())
        };
        let Some(mut connection) = connection else { return };
        let why = match tokio::time::timeout(CONNECT_DEADLINE, self.read_revocations(&mut connection, false)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within the deadline".to_owned(),
        };
        self.mark_down(generation, &why);
    }

    /// Reads which tokens are revoked. Fails only if the connection does: an error that Redis answers, such as a missing permission, leaves the
    /// quota in use and is reported.
    async fn read_revocations(&self, connection: &mut MultiplexedConnection, anew: bool) -> RedisResult<()> {
        let read = self.revocations.refresh(connection, anew, now_secs()).await;
        let mut unread = self.unread.lock();
        match read {
            Ok(()) => *unread = None,
            Err(error) if error.code().is_none() => return Err(error),
            Err(error) if unread.is_none() => {
                tracing::warn!(why = %error, "the list of revocations cannot be read; those that were read stay in force");
                *unread = Some(self.readiness.degraded("revocations"));
            }
            Err(_) => {}
        }
        Ok(())
    }

    async fn settle(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        for settlement in self.local.settlements() {
            self.send(connection, &settlement).await?;
        }
        Ok(())
    }

    async fn send(&self, connection: &mut MultiplexedConnection, settlement: &Settlement) -> RedisResult<()> {
        let mut call = self.settle.key(self.day_key(&settlement.org, settlement.day));
        call.key(format!(
            "mcp:quota:{}:{{{}}}:settled:{}:{}",
            self.service.name(),
            settlement.org,
            self.instance,
            settlement.number
        ));
        call.arg(settlement.calls).arg(KEEP_DAY_SECS).arg(settlement.reported);
        let used: u64 = call.invoke_async(connection).await?;
        self.local.confirm(settlement, used);
        // Of the calls beyond the limit, this settlement can have caused at most its own.
        let (_, unused) = self.local.reported(&settlement.org, settlement.day);
        let over = used.saturating_sub(unused).saturating_sub(self.limits.daily(settlement.plan)).min(settlement.calls);
        if over > 0 {
            tracing::warn!(
                orgId = &*settlement.org,
                calls = over,
                "calls beyond the limit were admitted without redis"
            );
            metrics::counter!(metric::RATE_LIMIT_BYPASS_TOTAL, "service" => self.service.name()).increment(over);
        }
        Ok(())
    }
}

/// Returns the key of those calls of [`day_key`] that were leased and not used.
fn unused_key(service: Service, org: &str, day: u64) -> String {
    format!("mcp:quota:{}:{{{org}}}:u{day}", service.name())
}

/// Returns the key of an organisation's calls to `service` on `day`. The braces make Redis Cluster keep all keys of an organisation on one
/// node, which a script requires.
// The name stands between constant texts, so no two organisations share a key, whatever characters their names have.
fn day_key(service: Service, org: &str, day: u64) -> String {
    format!("mcp:quota:{}:{{{org}}}:d{day}", service.name())
}
