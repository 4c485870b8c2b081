//! Decides about calls by the script in Redis: about those that wait together, and about the lease of their organisation.

use super::{KEEP_DAY_SECS, RedisDecision, Shared, unused_key};
use crate::quota::lanes::{LaneKey, Worker};
use crate::quota::lease::LeaseRequest;
use crate::quota::usage::{DAY_SECS, Usage, WindowDecision};
use futures::StreamExt;
use futures::future::BoxFuture;
use mcp_contracts::Plan;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest time that a call waits for the reply to calls before it. It is above the time that a healthy Redis takes, so that calls gather, and so
/// short that a slow Redis delays a call by little more than its own round trip.
const LONGEST_WAIT: Duration = Duration::from_millis(1);

/// Time after its deadline for which a reply is awaited. It decides nothing any more, and what it counted is taken back. A Redis that was paused for
/// longer keeps those calls for the day.
const LATE_REPLY: Duration = Duration::from_secs(10);
/// Number of organisations whose unused calls are on their way to Redis at a time.
const GIVEN_BACK_TOGETHER: usize = 32;

/// Reply of the script: admitted, full, calls today, calls this second, lost, lease, unused calls today.
type ScriptReply = (u64, u8, u64, u64, u8, u64, u64);

/// What a script is to decide.
#[derive(Clone, Copy)]
struct ScriptRequest {
    /// The second since the epoch that the script counts in.
    second: u64,
    calls: u64,
    request: LeaseRequest,
}

/// The decision about calls that waited together.
struct DecidedCalls {
    /// Number of admitted calls: the first ones.
    admitted: u64,
    /// True if the day refuses the others, false if the second does.
    day_is_full: bool,
    /// Counts after all of them.
    after: Usage,
}

impl DecidedCalls {
    /// Returns the decision about one of them, by its number from 1, as if each had been decided alone.
    const fn of_call(&self, number: u64) -> RedisDecision {
        let Usage { day, second } = self.after;
        RedisDecision::Decided(if number <= self.admitted {
            let later = self.admitted - number;
            WindowDecision::Admitted(Usage { day: day - later, second: second - later })
        } else if self.day_is_full {
            WindowDecision::OverDay(self.after)
        } else {
            WindowDecision::OverSecond(self.after)
        })
    }
}

impl Shared {
    /// Takes the calls of a lane to Redis until none waits. A box, because a worker can start another one.
    pub(super) fn decide_waiting(self: Arc<Self>, mut worker: Worker<RedisDecision>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            while let Some(calls) = worker.take() {
                let mut asking = pin!(self.decide_together(worker.key(), calls.len() as u64));
                let decided = tokio::select! {
                    biased;
                    decided = &mut asking => decided,
                    () = tokio::time::sleep(LONGEST_WAIT) => {
                        if let Some(next) = worker.give_up_waiting() {
                            self.tracker.spawn(Arc::clone(&self).decide_waiting(next));
                        }
                        asking.await
                    }
                };
                for (number, call) in (1..).zip(calls) {
                    // A client that has gone in the meantime needs no decision.
                    let _ = call.send(decided.as_ref().map_or(RedisDecision::Down, |decided| {
                        self.of_lease(worker.key(), decided, number).unwrap_or_else(|| decided.of_call(number))
                    }));
                }
            }
        })
    }

    /// Admits a call that Redis refused if another script has brought a lease meanwhile: an instance uses what it has before it refuses a call.
    fn of_lease(&self, (org, plan): &LaneKey, decided: &DecidedCalls, number: u64) -> Option<RedisDecision> {
        let refused = number > decided.admitted;
        let usage = refused.then(|| self.leases.admit_refused(org, *plan, now().as_secs())).flatten()?;
        Some(RedisDecision::Decided(WindowDecision::Admitted(usage)))
    }

    /// Gives back what is unused of leases that have ended; with `all`, also of those that have not.
    pub(super) async fn give_back(self: &Arc<Self>, all: bool) {
        let organisations = futures::stream::iter(self.leases.to_give_back(now().as_secs(), all));
        let give_back = |organisation| async move {
            self.decide_together(&organisation, 0).await;
        };
        // Together, because many organisations would otherwise wait for the round trips of all those before them.
        organisations.for_each_concurrent(GIVEN_BACK_TOGETHER, give_back).await;
    }

    /// Decides about `calls` calls, gives back unused ones and takes a lease. Without calls it takes none. Returns `None`, and marks the link as down, if
    /// Redis does not answer.
    async fn decide_together(self: &Arc<Self>, key: &LaneKey, calls: u64) -> Option<DecidedCalls> {
        // Clones share one pipelined connection. The lock is released before Redis is called.
        let (generation, run_id, connection) = {
            let link = self.link.read();
            (link.generation, Arc::clone(&link.run_id), link.connection.clone())
        };
        let connection = connection?;
        let (org, plan) = key;
        let second = now().as_secs();
        let request = self.leases.request(org, *plan, second, calls > 0);
        let question = ScriptRequest { second, calls, request };
        let mut asking: BoxFuture<'static, _> = Box::pin(Arc::clone(self).ask(key.clone(), question, connection));
        // No retry after the deadline, because Redis may have counted the calls (decision 0007).
        let why = match tokio::time::timeout(self.deadline, &mut asking).await {
            Ok(Ok(reply)) => return Some(self.decided(key, question, reply)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                self.tracker.spawn(Arc::clone(self).take_back_late(key.clone(), question, run_id, asking));
                "no answer within the deadline".to_owned()
            }
        };
        self.leases.failed(org, *plan, second, request);
        self.mark_down(generation, &why);
        None
    }

    async fn ask(
        self: Arc<Self>,
        (org, plan): LaneKey,
        ScriptRequest { second, calls, request }: ScriptRequest,
        mut connection: MultiplexedConnection,
    ) -> RedisResult<ScriptReply> {
        let day = second / DAY_SECS;
        let mut call = self.decide.key(self.day_key(&org, day));
        call.key(format!("mcp:quota:{}:{{{org}}}:s{second}", self.service.name()));
        call.key(unused_key(self.service, &org, day));
        let (counted, unused) = self.local.reported(&org, day);
        call.arg(self.limits.daily(plan)).arg(self.limits.burst_per_second).arg(KEEP_DAY_SECS);
        call.arg(counted).arg(calls).arg(request.wanted).arg(unused).arg(request.unused);
        call.invoke_async(&mut connection).await
    }

    fn decided(&self, (org, plan): &LaneKey, question: ScriptRequest, reply: ScriptReply) -> DecidedCalls {
        let (admitted, full, today, in_second, lost, lease, unused) = reply;
        let ScriptRequest { second, request, .. } = question;
        if lost > 0 {
            self.count_lost_state();
        }
        self.record(org, *plan, question, reply);
        let used = Usage { day: today.saturating_sub(unused), second: in_second };
        self.leases.add(org, *plan, second, request, lease, used);
        let after = Usage { day: used.day.saturating_sub(lease), second: in_second.saturating_sub(lease) };
        DecidedCalls { admitted, day_is_full: full == 1, after }
    }

    /// Records the counts of a reply. The fallback starts from them if Redis fails. The next script sends them to Redis, which restores them if it lost its
    /// counters.
    fn record(&self, org: &str, plan: Plan, ScriptRequest { second, request, .. }: ScriptRequest, reply: ScriptReply) {
        let (admitted, _, today, _, _, lease, unused) = reply;
        let day = second / DAY_SECS;
        self.local.record_reported(org, plan, day, today, admitted + lease);
        self.local.record_unused(org, plan, day, unused, request.unused);
    }

    /// Waits for a reply that is late. Its calls were decided without it, so all that it counted is unused. Without this a slow Redis would cost calls until
    /// midnight each time.
    async fn take_back_late(
        self: Arc<Self>,
        (org, plan): LaneKey,
        question: ScriptRequest,
        run_id: Arc<str>,
        asking: BoxFuture<'static, RedisResult<ScriptReply>>,
    ) {
        let reply = tokio::select! {
            () = self.stop.cancelled() => return,
            reply = tokio::time::timeout(LATE_REPLY, asking) => reply,
        };
        let Ok(Ok(reply)) = reply else { return };
        // Another Redis has never counted these calls.
        if self.link.read().run_id != run_id {
            return;
        }
        self.record(&org, plan, question, reply);
        let (admitted, _, _, _, _, lease, _) = reply;
        self.leases.take_back(&org, plan, now().as_secs(), question.second / DAY_SECS, admitted + lease);
    }
}

/// Returns the time since the epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
