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

/// Most organisations kept; beyond it those of past days go first.
const MAX_ORGANISATIONS: usize = 100_000;

/// How an organisation's limit is divided while Redis is away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) instances: u64,
}

impl Share {
    fn of(self, calls: u64) -> u64 {
        calls.div_ceil(self.instances.max(1))
    }
}

/// Counters by organisation. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct LocalLimiter {
    counters: Arc<Mutex<HashMap<Arc<str>, Counter>>>,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    day: u64,
    plan: Plan,
    /// What Redis said last about this day.
    known: u64,
    /// Admitted here and not yet taken over by Redis.
    unsettled: u64,
    second: u64,
    in_second: u64,
}

/// What one organisation was admitted without Redis on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsettled {
    pub(super) org: Arc<str>,
    pub(super) plan: Plan,
    pub(super) day: u64,
    /// Admitted here.
    pub(super) calls: u64,
    /// What Redis said last.
    pub(super) known: u64,
}

impl LocalLimiter {
    /// Remembers what Redis said.
    pub(super) fn learn(&self, org: &str, plan: Plan, day: u64, used: u64) {
        self.with(org, plan, day, |counter| counter.known = used);
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
        self.with(org, plan, day, |counter| {
            if counter.second != second {
                (counter.second, counter.in_second) = (second, 0);
            }
            let left = limits.daily(plan).saturating_sub(counter.known);
            let allowed = if shared { share.of(left) } else { left };
            let burst = if shared { share.of(limits.burst_per_second) } else { limits.burst_per_second };
            let usage = |counter: &Counter| Usage { day: counter.known + counter.unsettled, second: counter.in_second };
            if counter.unsettled >= allowed {
                return Scripted::OverDay(Usage { day: limits.daily(plan), ..usage(counter) });
            }
            if counter.in_second >= burst {
                return Scripted::OverSecond(Usage { second: limits.burst_per_second, ..usage(counter) });
            }
            counter.unsettled += 1;
            counter.in_second += 1;
            Scripted::Admitted(usage(counter))
        })
    }

    /// Counts a call that nothing limits.
    pub(super) fn admit_unlimited(&self, org: &str, plan: Plan, day: u64) {
        self.with(org, plan, day, |counter| counter.unsettled += 1);
    }

    /// What Redis has to take over; stays here until [`Self::settled`]. A Redis that `lost` its counters gets all of them.
    pub(super) fn unsettled(&self, lost: bool) -> Vec<Unsettled> {
        let counters = self.counters.lock();
        let open = counters.iter().filter(|(_, counter)| counter.unsettled > 0 || (lost && counter.known > 0));
        open.map(|(org, counter)| Unsettled {
            org: Arc::clone(org),
            plan: counter.plan,
            day: counter.day,
            calls: counter.unsettled,
            known: counter.known,
        })
        .collect()
    }

    /// Redis took these over, and its counter now says `used`.
    pub(super) fn settled(&self, taken: &Unsettled, used: u64) {
        let mut counters = self.counters.lock();
        if let Some(counter) = counters.get_mut(&taken.org)
            && counter.day == taken.day
        {
            counter.unsettled = counter.unsettled.saturating_sub(taken.calls);
            counter.known = used;
        }
    }

    fn with<T>(&self, org: &str, plan: Plan, day: u64, change: impl FnOnce(&mut Counter) -> T) -> T {
        let mut counters = self.counters.lock();
        if !counters.contains_key(org) {
            if counters.len() >= MAX_ORGANISATIONS {
                counters.retain(|_, counter| counter.day == day && counter.unsettled > 0);
            }
            counters.insert(Arc::from(org), Counter { day, plan, known: 0, unsettled: 0, second: 0, in_second: 0 });
        }
        let counter = counters.get_mut(org).expect("inserted above");
        if counter.day != day {
            *counter = Counter { day, plan, known: 0, unsettled: 0, second: 0, in_second: 0 };
        }
        counter.plan = plan;
        change(counter)
    }
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
        let open = limiter.unsettled(false);
        assert_eq!(open[0].calls, 2);
        limiter.settled(&open[0], 9);
        assert_eq!(limiter.unsettled(false), []);
        assert!(admitted(&limiter, "acme", 60, ALONE, true) && !admitted(&limiter, "acme", 61, ALONE, true));
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
