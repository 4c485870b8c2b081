//! Leases: calls that Redis has counted in advance for a busy organisation, and that this instance admits without another script. A lease ends with its
//! second; what is left of it goes back to the day (decision 0072). Data only: `redis_link` talks to Redis.

use super::usage::{DAY_SECS, Usage};
use mcp_contracts::Plan;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// An organisation wants one part in this number of its calls of a second in advance, so that a busy one needs about as many scripts in a second.
const SCRIPTS_PER_SECOND: u64 = 8;
/// Largest lease, in calls. An instance that is killed loses at most one for the rest of the day.
const MAX_LEASE: u64 = 256;

/// The leases of this instance, by organisation. Only organisations with recent calls are in it.
#[derive(Debug, Default)]
pub(super) struct Leases {
    organisations: Mutex<HashMap<Arc<str>, Account>>,
}

/// What a script is asked for besides the decision about waiting calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LeaseRequest {
    /// Number of calls wanted in advance.
    pub(super) wanted: u64,
    /// Number of calls of earlier leases of this day that were not used. They are sent once: if the script fails, they count as used.
    pub(super) unused: u64,
}

#[derive(Debug)]
struct Account {
    plan: Plan,
    /// The second since the epoch that `calls` and `grants` belong to.
    second: u64,
    /// Calls of this second, and of the second before.
    calls: u64,
    calls_before: u64,
    /// The calls that are left in this second, one entry for each script that gave some.
    grants: Vec<Grant>,
    /// Calls of ended leases of the day of `second` that were not used.
    unused: u64,
}

#[derive(Debug)]
struct Grant {
    left: u64,
    /// The counts of Redis with the whole grant.
    after: Usage,
}

impl Account {
    const fn new(plan: Plan, second: u64) -> Self {
        Self { plan, second, calls: 0, calls_before: 0, grants: Vec::new(), unused: 0 }
    }

    /// Ends what belongs to another second, also if the clock was set back.
    fn enter(&mut self, second: u64) {
        if self.second == second {
            return;
        }
        self.end_grants();
        if self.second / DAY_SECS != second / DAY_SECS {
            // Redis counts each day from 0.
            self.unused = 0;
        }
        self.calls_before = if self.second + 1 == second { self.calls } else { 0 };
        (self.second, self.calls) = (second, 0);
    }

    fn end_grants(&mut self) {
        self.unused += self.grants.drain(..).map(|grant| grant.left).sum::<u64>();
    }

    /// Takes a call. Returns the counts with it and without what is left of its grant.
    fn take(&mut self) -> Option<Usage> {
        let grant = self.grants.first_mut()?;
        grant.left -= 1;
        let (left, after) = (grant.left, grant.after);
        if left == 0 {
            self.grants.remove(0);
        }
        Some(Usage { day: after.day.saturating_sub(left), second: after.second.saturating_sub(left) })
    }
}

impl Leases {
    /// Notes a call, and admits it if the lease of this second has one left. Returns the counts after it.
    pub(super) fn admit(&self, org: &str, plan: Plan, second: u64) -> Option<Usage> {
        let mut organisations = self.organisations.lock();
        let Some(account) = organisations.get_mut(org) else {
            organisations.insert(Arc::from(org), Account { calls: 1, ..Account::new(plan, second) });
            return None;
        };
        account.enter(second);
        account.calls += 1;
        // Another plan has other limits.
        if account.plan != plan {
            account.plan = plan;
            account.end_grants();
        }
        account.take()
    }

    /// Admits a call that was noted before and that Redis refused: another script may have brought a lease in the meantime.
    pub(super) fn admit_refused(&self, org: &str, plan: Plan, second: u64) -> Option<Usage> {
        let mut organisations = self.organisations.lock();
        organisations.get_mut(org).filter(|account| account.second == second && account.plan == plan)?.take()
    }

    /// Returns what the next script of the organisation must ask for.
    pub(super) fn request(&self, org: &str, second: u64) -> LeaseRequest {
        let mut organisations = self.organisations.lock();
        let Some(account) = organisations.get_mut(org) else { return LeaseRequest::default() };
        account.enter(second);
        let wanted = (account.calls.max(account.calls_before) / SCRIPTS_PER_SECOND).min(MAX_LEASE);
        LeaseRequest { wanted, unused: std::mem::take(&mut account.unused) }
    }

    /// Adds calls that a script gave for `second`; `after` are its counts with all of them.
    pub(super) fn add(&self, org: &str, plan: Plan, second: u64, calls: u64, after: Usage) {
        if calls == 0 {
            return;
        }
        let mut organisations = self.organisations.lock();
        let account = organisations.entry(Arc::from(org)).or_insert_with(|| Account::new(plan, second));
        if account.second == second && account.plan == plan {
            account.grants.push(Grant { left: calls, after });
        } else if account.second / DAY_SECS == second / DAY_SECS {
            // The reply came after its second.
            account.unused += calls;
        }
    }

    /// Returns the number of leased calls of a day that this instance has not used.
    pub(super) fn leftover(&self, org: &str, day: u64) -> u64 {
        let organisations = self.organisations.lock();
        let account = organisations.get(org).filter(|account| account.second / DAY_SECS == day);
        account.map_or(0, |account| account.unused + account.grants.iter().map(|grant| grant.left).sum::<u64>())
    }

    /// Returns the organisations that have unused calls to give back, and forgets those without a recent call. If `all`, it also ends the leases of
    /// this second.
    pub(super) fn to_give_back(&self, second: u64, all: bool) -> Vec<(Arc<str>, Plan)> {
        let mut organisations = self.organisations.lock();
        let mut with_unused = Vec::new();
        organisations.retain(|org, account| {
            account.enter(second);
            if all {
                account.end_grants();
            }
            if account.unused > 0 {
                with_unused.push((Arc::clone(org), account.plan));
            }
            account.unused > 0 || !account.grants.is_empty() || account.calls + account.calls_before > 0
        });
        with_unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: u64 = 20_000 * DAY_SECS + DAY_SECS / 2;
    const AFTER: Usage = Usage { day: 110, second: 60 };

    fn calls(leases: &Leases, second: u64, calls: u64) -> u64 {
        (0..calls).filter(|_| leases.admit("acme", Plan::Pro, second).is_some()).count() as u64
    }

    #[test]
    fn only_a_busy_organisation_wants_a_lease_and_only_a_bounded_one() {
        let leases = Leases::default();
        let wanted = |second| leases.request("acme", second).wanted;
        assert_eq!(wanted(NOON), 0, "no call yet");
        calls(&leases, NOON, 7);
        assert_eq!(wanted(NOON), 0);
        calls(&leases, NOON, 73);
        assert_eq!((wanted(NOON), wanted(NOON + 1)), (10, 10));
        assert_eq!(wanted(NOON + 3), 0, "a second without a call");
        calls(&leases, NOON + 3, 100_000);
        assert_eq!(wanted(NOON + 3), MAX_LEASE);
    }

    #[test]
    fn a_lease_is_used_one_by_one_in_its_second_and_by_its_plan() {
        let leases = Leases::default();
        leases.add("acme", Plan::Pro, NOON, 3, AFTER);
        assert_eq!(leases.admit("zeta", Plan::Pro, NOON), None);
        assert_eq!(leases.admit("acme", Plan::Pro, NOON), Some(Usage { day: 108, second: 58 }));
        assert_eq!(leases.admit_refused("acme", Plan::Pro, NOON), Some(Usage { day: 109, second: 59 }));
        assert_eq!(leases.admit("acme", Plan::Pro, NOON + 1), None, "the second is over");
        assert_eq!(leases.request("acme", NOON + 1).unused, 1);
        assert_eq!(leases.request("acme", NOON + 1).unused, 0, "given back once");
        leases.add("acme", Plan::Pro, NOON + 1, 2, AFTER);
        assert_eq!(leases.admit("acme", Plan::Team, NOON + 1), None, "another plan has other limits");
        assert_eq!(leases.request("acme", NOON + 1).unused, 2);
        leases.add("acme", Plan::Team, NOON, 4, AFTER);
        assert_eq!(leases.admit("acme", Plan::Team, NOON + 1), None, "a reply that came too late");
        assert_eq!(leases.request("acme", NOON + 1).unused, 4);
    }

    #[test]
    fn what_is_left_is_given_back_and_an_idle_organisation_is_forgotten() {
        let leases = Leases::default();
        calls(&leases, NOON, 1);
        leases.add("acme", Plan::Pro, NOON, 3, AFTER);
        assert!(leases.to_give_back(NOON, false).is_empty());
        assert_eq!((leases.leftover("acme", NOON / DAY_SECS), leases.leftover("acme", NOON / DAY_SECS + 1)), (3, 0));
        assert_eq!(leases.to_give_back(NOON + 1, false), [(Arc::from("acme"), Plan::Pro)]);
        assert_eq!(leases.request("acme", NOON + 1), LeaseRequest { wanted: 0, unused: 3 });
        assert!(leases.to_give_back(NOON + 2, false).is_empty());
        assert!(leases.organisations.lock().is_empty());
        leases.add("acme", Plan::Pro, NOON, 3, AFTER);
        assert_eq!(leases.to_give_back(NOON, true).len(), 1, "also those of this second");
        let next_day = NOON + DAY_SECS;
        assert!(leases.to_give_back(next_day, false).is_empty(), "Redis counts the next day from 0");
    }

    proptest! {
        #[test]
        fn every_leased_call_is_admitted_once_or_given_back_once(steps in proptest::collection::vec((0u8..5, 0u64..40, 0u64..3), 1..200)) {
            let leases = Leases::default();
            let (mut now, mut leased, mut admitted, mut unused) = (NOON, 0, 0, 0);
            for (kind, amount, wait) in steps {
                now += u64::from(kind == 0) * wait;
                match kind {
                    0 | 1 => admitted += calls(&leases, now, amount),
                    // The reply to a script may be late.
                    2 => {
                        leases.add("acme", Plan::Pro, now - wait, amount, AFTER);
                        leased += amount;
                    }
                    3 => unused += leases.request("acme", now).unused,
                    _ => drop(leases.to_give_back(now, amount % 2 == 0)),
                }
                prop_assert!(admitted + unused <= leased);
            }
            leases.to_give_back(now, true);
            unused += leases.request("acme", now).unused;
            prop_assert_eq!(admitted + unused, leased);
        }
    }
}
