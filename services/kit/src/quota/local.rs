//! The limiter of this process. It decides if no Redis is configured, and while a configured Redis does not answer. While Redis does not
//! answer, the limiter starts from the last count that Redis reported and admits this instance's share of the remaining calls. It keeps the
//! number of calls that it admitted until Redis has added them to its own count; such a report to Redis is a settlement.

use super::usage::{DAY_SECS, Usage, WindowDecision};
use crate::settings::QuotaLimits;
use mcp_contracts::Plan;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of organisations with a counter, so that tokens for invented organisations cannot fill the memory.
/// Counters without unsettled calls are removed first. If every counter has unsettled calls, calls of further
/// organisations are refused.
const MAX_ORGANISATIONS: usize = 100_000;

/// Divides a limit among the instances while Redis does not answer. They do not see each other's counts then, so each admits an equal part,
/// and the sum stays within the limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) instances: u64,
}

impl Share {
    /// Returns this instance's part of `calls`. Rounds down, because the instances would together admit more than the limit otherwise.
    fn of(self, calls: u64) -> u64 {
        calls / self.instances.max(1)
    }

    /// Returns the same part, but at least 1, because a burst limit of 0 would refuse every call.
    fn at_least_one_of(self, calls: u64) -> u64 {
        self.of(calls).max(1)
    }
}

/// Counters by organisation. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct LocalLimiter {
    // One lock for all organisations: it is held for some arithmetic, and never across an `await`.
    counters: Arc<Mutex<Counters>>,
}

#[derive(Debug, Default)]
struct Counters {
    by_organisation: HashMap<Arc<str>, Counter>,
    /// Settlements of past days.
    past: Vec<Settlement>,
    /// Number of settlements so far; names the next one.
    settlements: u64,
}

#[derive(Debug, Clone)]
struct Counter {
    day: u64,
    plan: Plan,
    /// Last count of this day that Redis reported.
    reported: u64,
    /// Part of `reported` that was leased and not used.
    unused: u64,
    /// Calls that this instance admitted, or has leased, and that are in the count of Redis.
    counted: u64,
    /// Calls that this instance admitted and that are in no settlement yet.
    unsettled: u64,
    /// Settlement that was sent to Redis. It keeps its number until Redis has confirmed it, because the reply may be lost after Redis has
    /// added the calls.
    sent: Option<Settlement>,
    second: u64,
    in_second: u64,
}

impl Counter {
    fn new(day: u64, plan: Plan) -> Self {
        Self { day, plan, reported: 0, unused: 0, counted: 0, unsettled: 0, sent: None, second: 0, in_second: 0 }
    }

    /// Returns the calls of the day in the last count of Redis.
    const fn used(&self) -> u64 {
        self.reported.saturating_sub(self.unused)
    }

    /// Returns the number of calls that this instance admitted and Redis has not confirmed.
    fn admitted(&self) -> u64 {
        self.unsettled + self.sent.as_ref().map_or(0, |settlement| settlement.calls)
    }
}

/// Calls of one organisation and day that were admitted without Redis. Redis adds a settlement once, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settlement {
    /// Unique among the settlements of this instance.
    pub(super) number: u64,
    pub(super) org: Arc<str>,
    pub(super) plan: Plan,
    pub(super) day: u64,
    pub(super) calls: u64,
    /// Last count that Redis reported.
    pub(super) reported: u64,
}

impl LocalLimiter {
    /// Records the count of Redis after some calls, and how many of them were admitted. The highest count is kept, because replies may arrive
    /// in any order.
    pub(super) fn record_reported(&self, org: &str, plan: Plan, day: u64, used: u64, admitted: u64) {
        self.with(org, plan, day, |counter| {
            counter.reported = counter.reported.max(used);
            counter.counted += admitted;
        });
    }

    /// Records the count of Redis of unused calls, of which this instance has given back `own` since the last record.
    pub(super) fn record_unused(&self, org: &str, plan: Plan, day: u64, unused: u64, own: u64) {
        self.with(org, plan, day, |counter| {
            counter.unused = counter.unused.max(unused);
            counter.counted = counter.counted.saturating_sub(own);
        });
    }

    /// Returns the last counts of the day that Redis reported: of calls, leases included, and of unused ones among them.
    pub(super) fn reported(&self, org: &str, day: u64) -> (u64, u64) {
        let counters = self.counters.lock();
        let counter = counters.by_organisation.get(org).filter(|counter| counter.day == day);
        counter.map_or((0, 0), |counter| (counter.reported, counter.unused))
    }

    /// Returns the calls of the day that this instance knows of: the last count of Redis, and the calls admitted here since.
    pub(super) fn used(&self, org: &str, day: u64) -> u64 {
        let counters = self.counters.lock();
        let counter = counters.by_organisation.get(org).filter(|counter| counter.day == day);
        counter.map_or(0, |counter| counter.used() + counter.admitted())
    }

    /// Decides without Redis. `shared` is true if other instances may admit calls at the same time.
    pub(super) fn decide(
        &self,
        org: &str,
        plan: Plan,
        limits: QuotaLimits,
        now: Duration,
        share: Share,
        shared: bool,
    ) -> WindowDecision {
        let (day, second) = (now.as_secs() / DAY_SECS, now.as_secs());
        let decided = self.with(org, plan, day, |counter| {
            if counter.second != second {
                (counter.second, counter.in_second) = (second, 0);
            }
            // The count of Redis is subtracted before the share is computed, because it has the calls of all instances. Against the share count
            // only the calls that this instance has admitted since then. An instance that has no count of Redis for this organisation takes its
            // share of the whole limit. So that the sum fits, every instance also stays within this share with its earlier calls.
            let limit = limits.daily(plan);
            let remaining = limit.saturating_sub(counter.used());
            let of_limit = share.of(limit).saturating_sub(counter.counted);
            let allowed = if shared { share.of(remaining).min(of_limit) } else { remaining };
            let burst = limits.burst_per_second;
            let burst = if shared { share.at_least_one_of(burst) } else { burst };
            let usage =
                |counter: &Counter| Usage { day: counter.used() + counter.admitted(), second: counter.in_second };
            if counter.admitted() >= allowed {
                // The usage is set to the limit, so that the reply reports no remaining calls although other instances may have some.
                return WindowDecision::OverDay(Usage { day: limits.daily(plan), ..usage(counter) });
            }
            if counter.in_second >= burst {
                return WindowDecision::OverSecond(Usage { second: limits.burst_per_second, ..usage(counter) });
            }
            counter.unsettled += 1;
            counter.in_second += 1;
            WindowDecision::Admitted(usage(counter))
        });
        // `with` had no room for the organisation, or the day is over: the client may retry in the next second.
        decided.unwrap_or(WindowDecision::OverSecond(Usage { day: 0, second: limits.burst_per_second }))
    }

    /// Counts a call that is admitted without a limit.
    pub(super) fn admit_unlimited(&self, org: &str, plan: Plan, day: u64) {
        self.with(org, plan, day, |counter| counter.unsettled += 1);
    }

    /// Returns the settlements to send. A settlement keeps its number and its calls until [`Self::confirm`]; calls admitted in the meantime
    /// go into the next one.
    pub(super) fn settlements(&self) -> Vec<Settlement> {
        let mut counters = self.counters.lock();
        let Counters { by_organisation, past, settlements } = &mut *counters;
        let mut open = past.clone();
        for (org, counter) in by_organisation.iter_mut() {
            open.extend(settlement(org, counter, settlements));
        }
        open
    }

    /// Removes a settlement that Redis has added; `used` is the new count of Redis.
    pub(super) fn confirm(&self, added: &Settlement, used: u64) {
        let mut counters = self.counters.lock();
        // Found by number in both places, because the day may have ended after the settlement was sent.
        counters.past.retain(|settlement| settlement.number != added.number);
        if let Some(counter) = counters.by_organisation.get_mut(&added.org)
            && counter.sent.as_ref().is_some_and(|settlement| settlement.number == added.number)
        {
            counter.sent = None;
            counter.reported = counter.reported.max(used);
            counter.counted += added.calls;
        }
    }

    /// Changes the counter of a day. Returns `None` if there is no room for another organisation, or if the day is over: a call that began
    /// before midnight may arrive after one of the next day.
    fn with<T>(&self, org: &str, plan: Plan, day: u64, change: impl FnOnce(&mut Counter) -> T) -> Option<T> {
        let mut counters = self.counters.lock();
        let Counters { by_organisation, past, settlements } = &mut *counters;
        if !by_organisation.contains_key(org) {
            if by_organisation.len() >= MAX_ORGANISATIONS {
                by_organisation.retain(|org, counter| {
                    let is_past = counter.day < day;
                    if is_past && past.len() < MAX_ORGANISATIONS {
                        past.extend(counter.sent.take());
                        past.extend(settlement(org, counter, settlements));
                    }
                    !is_past && counter.admitted() > 0
                });
                if by_organisation.len() >= MAX_ORGANISATIONS {
                    return None;
                }
            }
            by_organisation.insert(Arc::from(org), Counter::new(day, plan));
        }
        let counter = by_organisation.get_mut(org).expect("inserted above");
        if counter.day > day {
            return None;
        }
        if counter.day < day {
            // Beyond this limit the calls of a past day are never settled, because the memory must stay bounded.
            if past.len() < MAX_ORGANISATIONS {
                past.extend(counter.sent.take());
                past.extend(settlement(&Arc::from(org), counter, settlements));
            }
            *counter = Counter::new(day, plan);
        }
        // The plan of the latest call: an organisation may change its plan during the day.
        counter.plan = plan;
        Some(change(counter))
    }
}

/// Returns the settlement of a counter: the one that was sent, else a new one for its unsettled calls.
fn settlement(org: &Arc<str>, counter: &mut Counter, settlements: &mut u64) -> Option<Settlement> {
    if counter.sent.is_none() && counter.unsettled > 0 {
        *settlements += 1;
        counter.sent = Some(Settlement {
            number: *settlements,
            org: Arc::clone(org),
            plan: counter.plan,
            day: counter.day,
            calls: std::mem::take(&mut counter.unsettled),
            reported: counter.reported,
        });
    }
    counter.sent.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: QuotaLimits = QuotaLimits { daily: [10, 20, 30, 40], burst_per_second: 6 };
    const ALONE: Share = Share { instances: 1 };

    fn admitted(limiter: &LocalLimiter, org: &str, at: u64, share: Share, shared: bool) -> bool {
        matches!(
            limiter.decide(org, Plan::Free, LIMITS, Duration::from_secs(at), share, shared),
            WindowDecision::Admitted(_)
        )
    }

    #[test]
    fn a_day_and_a_second_have_limits_of_their_own() {
        let limiter = LocalLimiter::default();
        let count = |at| (0..20).filter(|_| admitted(&limiter, "acme", at, ALONE, false)).count();
        assert_eq!((count(100), count(101), count(102)), (6, 4, 0));
        assert_eq!(count(DAY_SECS + 100), 6);
    }

    #[test]
    fn the_fallback_starts_from_the_last_count_and_admits_its_share() {
        let limiter = LocalLimiter::default();
        limiter.record_reported("acme", Plan::Free, 0, 4, 0);
        let three = Share { instances: 3 };
        let count = (0..30).filter(|second| admitted(&limiter, "acme", *second, three, true)).count();
        assert_eq!(count, 2, "a third of the six remaining calls");
        let open = limiter.settlements();
        assert_eq!(open[0].calls, 2);
        limiter.confirm(&open[0], 9);
        assert_eq!(limiter.settlements(), []);
        assert!(admitted(&limiter, "acme", 60, ALONE, true) && !admitted(&limiter, "acme", 61, ALONE, true));
    }

    #[test]
    fn a_settlement_keeps_its_number_until_it_is_confirmed_and_outlives_its_day() {
        let limiter = LocalLimiter::default();
        let admit =
            |at: u64, calls: usize| (0..calls).for_each(|_| assert!(admitted(&limiter, "acme", at, ALONE, true)));
        admit(10, 2);
        let first = limiter.settlements();
        admit(11, 3);
        assert_eq!(limiter.settlements(), first, "a lost reply must not create a new settlement");
        limiter.confirm(&first[0], 2);
        let second = limiter.settlements();
        assert_eq!((second[0].calls, second[0].number != first[0].number), (3, true));
        admit(DAY_SECS + 10, 1);
        let open = limiter.settlements();
        assert_eq!(
            open.iter().map(|settlement| (settlement.day, settlement.calls)).collect::<Vec<_>>(),
            [(0, 3), (1, 1)]
        );
        limiter.record_reported("acme", Plan::Free, 0, 7, 0);
        assert_eq!(limiter.reported("acme", 1), (0, 0), "a late count of yesterday changes nothing");
        open.iter().for_each(|settlement| limiter.confirm(settlement, 1));
        assert_eq!(limiter.settlements(), []);
    }

    #[test]
    fn instances_that_know_different_counts_stay_within_the_limit() {
        let two = Share { instances: 2 };
        // The first admitted four of ten calls through Redis, in two settlements and by itself; the second has never asked Redis.
        let limiters = [LocalLimiter::default(), LocalLimiter::default()];
        limiters[0].record_reported("acme", Plan::Free, 0, 1, 1);
        limiters[0].record_reported("acme", Plan::Free, 0, 2, 1);
        (10..12).for_each(|at| assert!(admitted(&limiters[0], "acme", at, two, true)));
        limiters[0].confirm(&limiters[0].settlements()[0], 4);
        let count = |limiter| (20..50).filter(|second| admitted(limiter, "acme", *second, two, true)).count();
        assert_eq!(limiters.each_ref().map(count), [1, 5], "a half of ten each, with what was admitted before");
    }

    #[test]
    fn unused_calls_of_leases_are_no_calls() {
        let limiter = LocalLimiter::default();
        limiter.record_reported("acme", Plan::Free, 0, 8, 8);
        limiter.record_unused("acme", Plan::Free, 0, 3, 3);
        limiter.record_unused("acme", Plan::Free, 0, 2, 0);
        assert_eq!((limiter.used("acme", 0), limiter.reported("acme", 0)), (5, (8, 3)));
        let count = (20..50).filter(|second| admitted(&limiter, "acme", *second, ALONE, true)).count();
        assert_eq!(count, 5, "the rest of ten");
    }

    #[test]
    fn one_remaining_call_is_admitted_by_none_of_three_instances() {
        let limiter = LocalLimiter::default();
        limiter.record_reported("acme", Plan::Free, 0, 9, 0);
        assert!(!admitted(&limiter, "acme", 1, Share { instances: 3 }, true));
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_in_any_window(steps in proptest::collection::vec((0u64..3, 0u64..4), 1..200)) {
            let limiter = LocalLimiter::default();
            let mut now = DAY_SECS - 5;
            let mut by_second: HashMap<(u64, u64), u64> = HashMap::new();
            let mut by_day: HashMap<(u64, u64), u64> = HashMap::new();
            for (org, wait) in steps {
                now += wait;
                let (in_day, in_second) = (by_day.entry((org, now / DAY_SECS)).or_default(), by_second.entry((org, now)).or_default());
                let expected = *in_day < 10 && *in_second < 6;
                prop_assert_eq!(admitted(&limiter, &format!("org{org}"), now, ALONE, false), expected);
                if expected {
                    *in_day += 1;
                    *in_second += 1;
                }
            }
        }
    }
}
