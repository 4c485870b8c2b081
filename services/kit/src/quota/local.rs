//! The limiter of this process: decides where no Redis is configured, and while a configured one does not answer. In the
//! second case it goes on from the last counter that Redis told, admits its share of what was left, and keeps what it admitted until Redis
//! has taken it over.

use super::usage::{DAY_SECS, Scripted, Usage};
use crate::settings::QuotaLimits;
use mcp_contracts::Plan;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Most organisations kept; those of past days go first, and beyond it new ones are limited rather than remembered.
const MAX_ORGANISATIONS: usize = 100_000;

/// How an organisation's limit is divided while Redis is away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) instances: u64,
}

impl Share {
    /// At most this instance's part of what is left.
    fn of(self, calls: u64) -> u64 {
        calls / self.instances.max(1)
    }

    /// The same, but never nothing: a second that admits nobody would be an outage.
    fn at_least_one_of(self, calls: u64) -> u64 {
        self.of(calls).max(1)
    }
}

/// Counters by organisation. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct LocalLimiter {
    counters: Arc<Mutex<Counters>>,
}

#[derive(Debug, Default)]
struct Counters {
    by_organisation: HashMap<Arc<str>, Counter>,
    /// Batches of days that are over.
    overdue: Vec<Unsettled>,
    batches: u64,
}

#[derive(Debug, Clone)]
struct Counter {
    day: u64,
    plan: Plan,
    /// What Redis said last about this day.
    known: u64,
    /// Admitted here and in no batch yet.
    unsettled: u64,
    /// The batch that Redis was asked to take over; it keeps its name until Redis has said that it did.
    batch: Option<Unsettled>,
    second: u64,
    in_second: u64,
}

impl Counter {
    fn new(day: u64, plan: Plan) -> Self {
        Self { day, plan, known: 0, unsettled: 0, batch: None, second: 0, in_second: 0 }
    }

    /// Admitted here and not yet taken over.
    fn admitted(&self) -> u64 {
        self.unsettled + self.batch.as_ref().map_or(0, |batch| batch.calls)
    }
}

/// What one organisation was admitted without Redis on one day: one settlement, which has its effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsettled {
    /// Tells it from every other settlement of this instance.
    pub(super) number: u64,
    pub(super) org: Arc<str>,
    pub(super) plan: Plan,
    pub(super) day: u64,
    /// Admitted here.
    pub(super) calls: u64,
    /// What Redis said last.
    pub(super) known: u64,
}

impl LocalLimiter {
    /// Remembers what Redis said. A counter never goes back within a day.
    pub(super) fn learn(&self, org: &str, plan: Plan, day: u64, used: u64) {
        self.with(org, plan, day, |counter| counter.known = counter.known.max(used));
    }

    /// What Redis said last about this day.
    pub(super) fn known(&self, org: &str, day: u64) -> u64 {
        let counters = self.counters.lock();
        counters.by_organisation.get(org).filter(|counter| counter.day == day).map_or(0, |counter| counter.known)
    }

    /// Calls of this day as far as this instance knows: what Redis said last, and what was admitted here since.
    pub(super) fn used(&self, org: &str, day: u64) -> u64 {
        let counters = self.counters.lock();
        let counter = counters.by_organisation.get(org).filter(|counter| counter.day == day);
        counter.map_or(0, |counter| counter.known + counter.admitted())
    }

    /// Decides from what is known here. `shared` tells whether other instances may be admitting at the same time.
    pub(super) fn decide(
        &self,
        org: &str,
        plan: Plan,
        limits: QuotaLimits,
        now: Duration,
        share: Share,
        shared: bool,
    ) -> Scripted {
        let (day, second) = (now.as_secs() / DAY_SECS, now.as_secs());
        let decided = self.with(org, plan, day, |counter| {
            if counter.second != second {
                (counter.second, counter.in_second) = (second, 0);
            }
            let left = limits.daily(plan).saturating_sub(counter.known);
            let allowed = if shared { share.of(left) } else { left };
            let burst = limits.burst_per_second;
            let burst = if shared { share.at_least_one_of(burst) } else { burst };
            let usage =
                |counter: &Counter| Usage { day: counter.known + counter.admitted(), second: counter.in_second };
            if counter.admitted() >= allowed {
                return Scripted::OverDay(Usage { day: limits.daily(plan), ..usage(counter) });
            }
            if counter.in_second >= burst {
                return Scripted::OverSecond(Usage { second: limits.burst_per_second, ..usage(counter) });
            }
            counter.unsettled += 1;
            counter.in_second += 1;
            Scripted::Admitted(usage(counter))
        });
        decided.unwrap_or(Scripted::OverSecond(Usage { day: 0, second: limits.burst_per_second }))
    }

    /// Counts a call that nothing limits.
    pub(super) fn admit_unlimited(&self, org: &str, plan: Plan, day: u64) {
        self.with(org, plan, day, |counter| counter.unsettled += 1);
    }

    /// What Redis has to take over. A batch is the same, with the same number, until it is [`Self::settled`]; what is admitted
    /// meanwhile waits for the next one.
    pub(super) fn unsettled(&self) -> Vec<Unsettled> {
        let mut counters = self.counters.lock();
        let Counters { by_organisation, overdue, batches } = &mut *counters;
        let mut open = overdue.clone();
        for (org, counter) in by_organisation.iter_mut() {
            open.extend(freeze(org, counter, batches));
        }
        open
    }

    /// Redis took these over, and its counter now says `used`.
    pub(super) fn settled(&self, taken: &Unsettled, used: u64) {
        let mut counters = self.counters.lock();
        counters.overdue.retain(|batch| batch.number != taken.number);
        if let Some(counter) = counters.by_organisation.get_mut(&taken.org)
            && counter.batch.as_ref().is_some_and(|batch| batch.number == taken.number)
        {
            counter.batch = None;
            counter.known = counter.known.max(used);
        }
    }

    /// Changes the counter of a day; `None` where there is no room for another organisation, or the day is over.
    fn with<T>(&self, org: &str, plan: Plan, day: u64, change: impl FnOnce(&mut Counter) -> T) -> Option<T> {
        let mut counters = self.counters.lock();
        let Counters { by_organisation, overdue, batches } = &mut *counters;
        if !by_organisation.contains_key(org) {
            if by_organisation.len() >= MAX_ORGANISATIONS {
                by_organisation.retain(|_, counter| counter.day == day && counter.admitted() > 0);
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
            if overdue.len() < MAX_ORGANISATIONS {
                overdue.extend(counter.batch.take());
                overdue.extend(freeze(&Arc::from(org), counter, batches));
            }
            *counter = Counter::new(day, plan);
        }
        counter.plan = plan;
        Some(change(counter))
    }
}

/// The batch of a counter: the one that is open, else a new one of what was admitted.
fn freeze(org: &Arc<str>, counter: &mut Counter, batches: &mut u64) -> Option<Unsettled> {
    if counter.batch.is_none() && counter.unsettled > 0 {
        *batches += 1;
        counter.batch = Some(Unsettled {
            number: *batches,
            org: Arc::clone(org),
            plan: counter.plan,
            day: counter.day,
            calls: std::mem::take(&mut counter.unsettled),
            known: counter.known,
        });
    }
    counter.batch.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: QuotaLimits = QuotaLimits { daily: [10, 20, 30, 40], burst_per_second: 6 };
    const ALONE: Share = Share { instances: 1 };

    fn admitted(limiter: &LocalLimiter, org: &str, at: u64, share: Share, shared: bool) -> bool {
        matches!(limiter.decide(org, Plan::Free, LIMITS, Duration::from_secs(at), share, shared), Scripted::Admitted(_))
    }

    #[test]
    fn a_day_and_a_second_have_their_limits_and_start_anew() {
        let limiter = LocalLimiter::default();
        let count = |at| (0..20).filter(|_| admitted(&limiter, "acme", at, ALONE, false)).count();
        assert_eq!((count(100), count(101), count(102)), (6, 4, 0));
        assert_eq!(count(DAY_SECS + 100), 6);
    }

    #[test]
    fn the_fallback_goes_on_from_the_last_counter_and_admits_its_share() {
        let limiter = LocalLimiter::default();
        limiter.learn("acme", Plan::Free, 0, 4);
        let three = Share { instances: 3 };
        let count = (0..30).filter(|second| admitted(&limiter, "acme", *second, three, true)).count();
        assert_eq!(count, 2, "a third of the six that were left");
        let open = limiter.unsettled();
        assert_eq!(open[0].calls, 2);
        limiter.settled(&open[0], 9);
        assert_eq!(limiter.unsettled(), []);
        assert!(admitted(&limiter, "acme", 60, ALONE, true) && !admitted(&limiter, "acme", 61, ALONE, true));
    }

    #[test]
    fn a_batch_keeps_its_name_until_it_is_taken_over_and_outlives_its_day() {
        let limiter = LocalLimiter::default();
        let admit =
            |at: u64, calls: usize| (0..calls).for_each(|_| assert!(admitted(&limiter, "acme", at, ALONE, true)));
        admit(10, 2);
        let first = limiter.unsettled();
        admit(11, 3);
        assert_eq!(limiter.unsettled(), first, "a reply that was lost must not make it a new one");
        limiter.settled(&first[0], 2);
        let second = limiter.unsettled();
        assert_eq!((second[0].calls, second[0].number != first[0].number), (3, true));
        admit(DAY_SECS + 10, 1);
        let open = limiter.unsettled();
        assert_eq!(open.iter().map(|batch| (batch.day, batch.calls)).collect::<Vec<_>>(), [(0, 3), (1, 1)]);
        limiter.learn("acme", Plan::Free, 0, 7);
        assert_eq!(limiter.known("acme", 1), 0, "a late word about yesterday changes nothing");
        open.iter().for_each(|batch| limiter.settled(batch, 1));
        assert_eq!(limiter.unsettled(), []);
    }

    #[test]
    fn one_call_that_is_left_is_nobody_s_among_three() {
        let limiter = LocalLimiter::default();
        limiter.learn("acme", Plan::Free, 0, 9);
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
