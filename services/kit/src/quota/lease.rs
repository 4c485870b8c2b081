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

/// The leases of this instance. Only organisations with recent calls are in it.
#[derive(Debug, Default)]
pub(super) struct Leases {
    // An organisation has tokens of two plans while it changes its plan. Each plan has other limits, so it has a lease of its own.
    by_plan: Mutex<[Accounts; Plan::ALL.len()]>,
}

type Accounts = HashMap<Arc<str>, Account>;

/// What a script is asked for besides the decision about waiting calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LeaseRequest {
    /// Number of calls wanted in advance.
    pub(super) wanted: u64,
    /// Number of calls of earlier leases of this day that were not used. They are sent once: if the script fails, they count as used.
    pub(super) unused: u64,
}

/// The calls of an organisation on one plan.
#[derive(Debug)]
struct Account {
    /// The second since the epoch that `calls`, `grant` and `is_asking` belong to.
    second: u64,
    /// Calls of this second, and of the second before.
    calls: u64,
    calls_before: u64,
    /// The lease of this second, until it is used up. There is at most one, so that an instance that is killed loses no more.
    grant: Option<Grant>,
    /// True while a script is asked for a lease: a slow Redis has many scripts on their way, and each would bring one.
    is_asking: bool,
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
    const fn new(second: u64) -> Self {
        Self { second, calls: 0, calls_before: 0, grant: None, is_asking: false, unused: 0 }
    }

    /// Ends what belongs to another second, also if the clock was set back. Returns false, and ends nothing, in the second before: a thread that read
    /// the clock just before the end of a second can come after one that read it later.
    fn enter(&mut self, second: u64) -> bool {
        if self.second == second {
            return true;
        }
        if self.second == second + 1 {
            return false;
        }
        self.end_grant();
        if self.second / DAY_SECS != second / DAY_SECS {
            // Redis counts each day from 0.
            self.unused = 0;
        }
        self.calls_before = if self.second + 1 == second { self.calls } else { 0 };
        (self.second, self.calls, self.is_asking) = (second, 0, false);
        true
    }

    fn end_grant(&mut self) {
        self.unused += self.grant.take().map_or(0, |grant| grant.left);
    }

    /// Takes a call. Returns the counts with it and without what is left of its grant.
    fn take(&mut self) -> Option<Usage> {
        let grant = self.grant.as_mut()?;
        grant.left -= 1;
        let (left, after) = (grant.left, grant.after);
        if left == 0 {
            self.grant = None;
        }
        Some(Usage { day: after.day.saturating_sub(left), second: after.second.saturating_sub(left) })
    }

    const fn is_of_day(&self, day: u64) -> bool {
        self.second / DAY_SECS == day
    }
}

impl Leases {
    /// Notes a call, and admits it if the lease of this second has one left. Returns the counts after it.
    pub(super) fn admit(&self, org: &str, plan: Plan, second: u64) -> Option<Usage> {
        let mut by_plan = self.by_plan.lock();
        let accounts = &mut by_plan[plan as usize];
        let Some(account) = accounts.get_mut(org) else {
            accounts.insert(Arc::from(org), Account { calls: 1, ..Account::new(second) });
            return None;
        };
        let is_now = account.enter(second);
        account.calls += 1;
        if is_now { account.take() } else { None }
    }

    /// Admits a call that was noted before and that Redis refused: another script may have brought a lease in the meantime.
    pub(super) fn admit_refused(&self, org: &str, plan: Plan, second: u64) -> Option<Usage> {
        let mut by_plan = self.by_plan.lock();
        by_plan[plan as usize].get_mut(org).filter(|account| account.second == second)?.take()
    }

    /// Returns what the next script of the organisation must ask for. Unless `wants_lease`, it only gives back. The reply goes to [`Self::add`], the
    /// lack of one to [`Self::failed`].
    pub(super) fn request(&self, org: &str, plan: Plan, second: u64, wants_lease: bool) -> LeaseRequest {
        let mut by_plan = self.by_plan.lock();
        let Some(account) = by_plan[plan as usize].get_mut(org) else { return LeaseRequest::default() };
        if !account.enter(second) {
            // `unused` may be of the next day.
            return LeaseRequest::default();
        }
        let mut wanted = 0;
        if wants_lease && account.grant.is_none() && !account.is_asking {
            wanted = (account.calls.max(account.calls_before) / SCRIPTS_PER_SECOND).min(MAX_LEASE);
            account.is_asking = wanted > 0;
        }
        LeaseRequest { wanted, unused: std::mem::take(&mut account.unused) }
    }

    /// Adds calls that a script gave for `second`; `after` are its counts with all of them.
    pub(super) fn add(&self, org: &str, plan: Plan, second: u64, request: LeaseRequest, calls: u64, after: Usage) {
        if request.wanted == 0 {
            return;
        }
        let mut by_plan = self.by_plan.lock();
        let account = by_plan[plan as usize].entry(Arc::from(org)).or_insert_with(|| Account::new(second));
        if account.second == second {
            account.is_asking = false;
            if calls > 0 && account.grant.is_none() {
                account.grant = Some(Grant { left: calls, after });
                return;
            }
        }
        // The reply came after its second.
        if account.is_of_day(second / DAY_SECS) {
            account.unused += calls;
        }
    }

    /// Notes that a script of `second` has brought nothing.
    pub(super) fn failed(&self, org: &str, plan: Plan, second: u64, request: LeaseRequest) {
        let mut by_plan = self.by_plan.lock();
        let account = by_plan[plan as usize].get_mut(org).filter(|account| account.second == second);
        if let Some(account) = account.filter(|_| request.wanted > 0) {
            account.is_asking = false;
        }
    }

    /// Takes back calls of `day` that Redis has counted and that no one has made. `second` is the current one.
    pub(super) fn take_back(&self, org: &str, plan: Plan, second: u64, day: u64, calls: u64) {
        let mut by_plan = self.by_plan.lock();
        let account = by_plan[plan as usize].entry(Arc::from(org)).or_insert_with(|| Account::new(second));
        account.enter(second);
        if account.is_of_day(day) {
            account.unused += calls;
        }
    }

    /// Returns the number of leased calls of a day that this instance has not used.
    pub(super) fn leftover(&self, org: &str, day: u64) -> u64 {
        let by_plan = self.by_plan.lock();
        let accounts = by_plan.iter().filter_map(|accounts| accounts.get(org)).filter(|account| account.is_of_day(day));
        accounts.map(|account| account.unused + account.grant.as_ref().map_or(0, |grant| grant.left)).sum()
    }

    /// Returns the organisations that have unused calls to give back, and forgets those without a recent call. If `all`, it also ends the leases of
    /// this second.
    pub(super) fn to_give_back(&self, second: u64, all: bool) -> Vec<(Arc<str>, Plan)> {
        let mut by_plan = self.by_plan.lock();
        let mut with_unused = Vec::new();
        for (accounts, plan) in by_plan.iter_mut().zip(Plan::ALL) {
            accounts.retain(|org, account| {
                account.enter(second);
                if all {
                    account.end_grant();
                }
                if account.unused > 0 {
                    with_unused.push((Arc::clone(org), plan));
                }
                account.unused > 0 || account.grant.is_some() || account.calls + account.calls_before > 0
            });
        }
        with_unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: u64 = 20_000 * DAY_SECS + DAY_SECS / 2;
    const AFTER: Usage = Usage { day: 110, second: 60 };
    const ASKED: LeaseRequest = LeaseRequest { wanted: 1, unused: 0 };

    fn calls(leases: &Leases, second: u64, calls: u64) -> u64 {
        (0..calls).filter(|_| leases.admit("acme", Plan::Pro, second).is_some()).count() as u64
    }

    fn unused(leases: &Leases, plan: Plan, second: u64) -> u64 {
        leases.request("acme", plan, second, false).unused
    }

    #[test]
    fn each_plan_has_a_place_of_its_own() {
        assert_eq!(Plan::ALL.map(|plan| plan as usize), [0, 1, 2, 3]);
    }

    #[test]
    fn only_a_busy_organisation_wants_a_lease_and_only_a_bounded_one() {
        let leases = Leases::default();
        let wanted = |second| {
            let request = leases.request("acme", Plan::Pro, second, true);
            leases.failed("acme", Plan::Pro, second, request);
            request.wanted
        };
        assert_eq!(wanted(NOON), 0, "no call yet");
        calls(&leases, NOON, 7);
        assert_eq!(wanted(NOON), 0);
        calls(&leases, NOON, 73);
        assert_eq!((wanted(NOON), wanted(NOON + 1)), (10, 10));
        assert_eq!(wanted(NOON + 3), 0, "a second without a call");
        calls(&leases, NOON + 3, 100_000);
        assert_eq!(wanted(NOON + 3), MAX_LEASE);
        assert_eq!(leases.request("acme", Plan::Pro, NOON + 3, false).wanted, 0, "it only gives back");
    }

    #[test]
    fn an_organisation_has_one_lease_however_many_scripts_are_on_their_way() {
        let leases = Leases::default();
        let wanted = |second| leases.request("acme", Plan::Pro, second, true).wanted;
        calls(&leases, NOON, 80);
        assert_eq!((wanted(NOON), wanted(NOON)), (10, 0), "a slow Redis has both scripts");
        leases.add("acme", Plan::Pro, NOON, ASKED, 2, AFTER);
        assert_eq!(wanted(NOON), 0, "a lease is in hand");
        assert_eq!(calls(&leases, NOON, 3), 2);
        assert_eq!(wanted(NOON), 10, "the lease is used up");
        leases.failed("acme", Plan::Pro, NOON, ASKED);
        assert_eq!((wanted(NOON), wanted(NOON)), (10, 0), "the script before brought nothing");
        assert_eq!(wanted(NOON + 1), 10, "a script of the last second brings nothing for this one");
        leases.add("acme", Plan::Pro, NOON, ASKED, 5, AFTER);
        assert_eq!(wanted(NOON + 1), 0, "its reply ends no other question");
    }

    #[test]
    fn a_lease_is_used_one_by_one_in_its_second() {
        let leases = Leases::default();
        leases.add("acme", Plan::Pro, NOON, ASKED, 3, AFTER);
        assert_eq!(leases.admit("zeta", Plan::Pro, NOON), None);
        assert_eq!(leases.admit("acme", Plan::Pro, NOON), Some(Usage { day: 108, second: 58 }));
        assert_eq!(leases.admit_refused("acme", Plan::Pro, NOON), Some(Usage { day: 109, second: 59 }));
        assert_eq!(leases.admit("acme", Plan::Pro, NOON + 1), None, "the second is over");
        assert_eq!(unused(&leases, Plan::Pro, NOON + 1), 1);
        assert_eq!(unused(&leases, Plan::Pro, NOON + 1), 0, "given back once");
        leases.add("acme", Plan::Pro, NOON, ASKED, 4, AFTER);
        assert_eq!(leases.admit("acme", Plan::Pro, NOON + 1), None, "a reply that came too late");
        assert_eq!(unused(&leases, Plan::Pro, NOON + 1), 4);
    }

    #[test]
    fn two_plans_of_an_organisation_leave_each_other_their_leases() {
        let leases = Leases::default();
        leases.add("acme", Plan::Pro, NOON, ASKED, 2, AFTER);
        assert_eq!(leases.admit("acme", Plan::Team, NOON), None, "another plan has other limits");
        leases.add("acme", Plan::Team, NOON, ASKED, 1, AFTER);
        assert_eq!(leases.leftover("acme", NOON / DAY_SECS), 3);
        assert!(leases.admit("acme", Plan::Team, NOON).is_some());
        assert_eq!(calls(&leases, NOON, 3), 2, "the call on the other plan ended nothing");
    }

    #[test]
    fn a_thread_that_comes_late_ends_nothing_of_the_next_second() {
        let midnight = (NOON / DAY_SECS + 1) * DAY_SECS;
        for second in [NOON, midnight] {
            let leases = Leases::default();
            calls(&leases, second, 80);
            leases.add("acme", Plan::Pro, second, ASKED, 2, AFTER);
            let late = second - 1;
            assert_eq!(leases.admit("acme", Plan::Pro, late), None);
            assert_eq!(leases.request("acme", Plan::Pro, late, true), LeaseRequest::default());
            assert!(leases.to_give_back(late, false).is_empty());
            assert_eq!(calls(&leases, second, 3), 2, "the lease is still there");
            assert_eq!(leases.request("acme", Plan::Pro, second, true).wanted, 10, "and so are the calls");
        }
        let leases = Leases::default();
        leases.add("acme", Plan::Pro, NOON, ASKED, 2, AFTER);
        assert_eq!(leases.admit("acme", Plan::Pro, NOON - 60), None, "the clock was set back");
        assert_eq!(unused(&leases, Plan::Pro, NOON - 60), 2);
    }

    #[test]
    fn what_is_left_is_given_back_and_an_idle_organisation_is_forgotten() {
        let leases = Leases::default();
        calls(&leases, NOON, 1);
        leases.add("acme", Plan::Pro, NOON, ASKED, 3, AFTER);
        assert!(leases.to_give_back(NOON, false).is_empty());
        assert_eq!((leases.leftover("acme", NOON / DAY_SECS), leases.leftover("acme", NOON / DAY_SECS + 1)), (3, 0));
        assert_eq!(leases.to_give_back(NOON + 1, false), [(Arc::from("acme"), Plan::Pro)]);
        assert_eq!(unused(&leases, Plan::Pro, NOON + 1), 3);
        assert!(leases.to_give_back(NOON + 2, false).is_empty());
        assert!(leases.by_plan.lock().iter().all(HashMap::is_empty));
        leases.add("acme", Plan::Pro, NOON, ASKED, 3, AFTER);
        assert_eq!(leases.to_give_back(NOON, true).len(), 1, "also those of this second");
        let next_day = NOON + DAY_SECS;
        assert!(leases.to_give_back(next_day, false).is_empty(), "Redis counts the next day from 0");
    }

    #[test]
    fn calls_of_a_late_reply_are_given_back_on_their_day_only() {
        let leases = Leases::default();
        let day = NOON / DAY_SECS;
        leases.take_back("acme", Plan::Pro, NOON + 5, day, 7);
        assert_eq!(leases.to_give_back(NOON + 5, false).len(), 1);
        assert_eq!(unused(&leases, Plan::Pro, NOON + 5), 7);
        leases.take_back("acme", Plan::Pro, NOON + DAY_SECS, day, 7);
        assert!(leases.to_give_back(NOON + DAY_SECS, false).is_empty());
    }

    proptest! {
        #[test]
        fn every_leased_call_is_admitted_once_or_given_back_once(steps in proptest::collection::vec((0u8..6, 0u64..40, 0u64..3), 1..200)) {
            let leases = Leases::default();
            let (mut now, mut leased, mut admitted, mut given_back) = (NOON, 0, 0, 0);
            for (kind, amount, wait) in steps {
                now += u64::from(kind == 0) * wait;
                match kind {
                    0 | 1 => admitted += calls(&leases, now, amount),
                    // The reply to a script may be late.
                    2 => {
                        leases.add("acme", Plan::Pro, now - wait, ASKED, amount, AFTER);
                        leased += amount;
                    }
                    3 => given_back += leases.request("acme", Plan::Pro, now - wait.min(1), amount % 2 == 0).unused,
                    4 => {
                        leases.take_back("acme", Plan::Pro, now, now / DAY_SECS, amount);
                        leased += amount;
                    }
                    _ => drop(leases.to_give_back(now, amount % 2 == 0)),
                }
                prop_assert!(admitted + given_back <= leased);
            }
            leases.to_give_back(now, true);
            given_back += unused(&leases, Plan::Pro, now);
            prop_assert_eq!(admitted + given_back, leased);
        }
    }
}
