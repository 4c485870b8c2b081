//! Decides about calls by the script in Redis: about those that wait together, and about the lease of their organisation.

use super::{KEEP_DAY_SECS, RedisDecision, Shared, unused_key};
use crate::quota::lanes::{LaneKey, Worker};
use crate::quota::lease::LeaseRequest;
use crate::quota::usage::{DAY_SECS, Usage, WindowDecision};
use futures::future::BoxFuture;
use redis::RedisResult;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest time that a call waits for the reply to calls before it. It is above the time that a healthy Redis takes, so that calls gather, and so
/// short that a slow Redis delays a call by little more than its own round trip.
const LONGEST_WAIT: Duration = Duration::from_millis(1);

/// Reply of the script: admitted, full, calls today, calls this second, lost, lease, unused calls today.
type ScriptReply = (u64, u8, u64, u64, u8, u64, u64);

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
    pub(super) async fn give_back(&self, all: bool) {
        for organisation in self.leases.to_give_back(now().as_secs(), all) {
            self.decide_together(&organisation, 0).await;
        }
    }

    /// Decides about `calls` calls, gives back unused ones and takes a lease. Without calls it takes none. Returns `None`, and marks the link as down, if
    /// Redis does not answer.
    async fn decide_together(&self, (org, plan): &LaneKey, calls: u64) -> Option<DecidedCalls> {
        // Clones share one pipelined connection. The lock is released before Redis is called.
        let (generation, connection) = {
            let link = self.link.read();
            (link.generation, link.connection.clone())
        };
        let mut connection = connection?;
        let now = now();
        let (day, second) = (now.as_secs() / DAY_SECS, now.as_secs());
        let mut call = self.decide.key(self.day_key(org, day));
        call.key(format!("mcp:quota:{}:{{{org}}}:s{second}", self.service.name())).key(unused_key(
            self.service,
            org,
            day,
        ));
        let (counted, unused) = self.local.reported(org, day);
        let LeaseRequest { wanted, unused: own } = self.leases.request(org, second);
        let wanted = if calls > 0 { wanted } else { 0 };
        call.arg(self.limits.daily(*plan)).arg(self.limits.burst_per_second).arg(KEEP_DAY_SECS);
        call.arg(counted).arg(calls).arg(wanted).arg(unused).arg(own);
        // No retry after the deadline, because Redis may have counted the calls (decision 0007).
        let reply: RedisResult<ScriptReply> =
            match tokio::time::timeout(self.deadline, call.invoke_async(&mut connection)).await {
                Ok(reply) => reply,
                Err(_) => {
                    self.mark_down(generation, "no answer within the deadline");
                    return None;
                }
            };
        match reply {
            Ok((admitted, full, today, in_second, lost, lease, unused)) => {
                if lost > 0 {
                    self.count_lost_state();
                }
                // The fallback starts from these counts if Redis fails. The next script sends them to Redis, which restores them if it lost its counters.
                self.local.record_reported(org, *plan, day, today, admitted + lease);
                self.local.record_unused(org, *plan, day, unused, own);
                let used = Usage { day: today.saturating_sub(unused), second: in_second };
                self.leases.add(org, *plan, second, lease, used);
                let after = Usage { day: used.day.saturating_sub(lease), second: in_second.saturating_sub(lease) };
                Some(DecidedCalls { admitted, day_is_full: full == 1, after })
            }
            Err(error) => {
                self.mark_down(generation, &error.to_string());
                None
            }
        }
    }
}

/// Returns the time since the epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
