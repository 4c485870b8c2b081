//! The circuit breaker of one instance. It has no clock and makes no calls: time and outcomes are arguments. It opens after a run of failures, or
//! if at least half of many calls fail, and then admits one probe a second. Failures of one organisation alone never open it, because its calls may
//! be the cause: they make the instance suspect, and a suspect instance is probed.

use super::error::Health;
use std::time::{Duration, Instant};

/// Five failed attempts take 1.5 s at the default `PEER_DEADLINE_MS` of 300; after that calls fail at once.
pub const MAX_FAILURES_IN_A_ROW: u32 = 5;
/// Minimum number of calls before the share of failures counts: one failure of two calls proves nothing.
pub const MIN_JUDGED_CALLS: u32 = 20;
pub const WINDOW: Duration = Duration::from_secs(10);
/// Number of failures in a row of one organisation that make the instance suspect. Small, because a probe costs less than a call that times out.
pub const SUSPECT_FAILURES: u32 = 2;
/// Failed probes after which the circuit of a suspect instance opens: one or two may be late on a busy machine.
pub const SUSPECT_PROBES: u32 = 3;
/// Pause between probes: a peer that is back is used again after about a second, and one that is down gets one call a second.
pub const PROBE_PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    /// A probe is in flight.
    HalfOpen,
    /// No call is admitted until a probe is due.
    Open,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    /// Returns the value of the gauge `mcp_breaker_state`.
    pub const fn number(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Call,
    /// Decides whether the circuit closes.
    Probe,
}

/// Organisations whose failures are counted one by one; those of further ones count as failures of others.
const MAX_CALLERS: usize = 8;

/// A caller, by the hash of its organisation.
pub type CallerHash = u64;

/// Failures, and the organisations that had them.
#[derive(Debug, Clone, Default)]
struct Failures {
    count: u32,
    by_caller: Vec<(CallerHash, u32)>,
    /// True if one of them had no caller as its cause.
    without_caller: bool,
}

impl Failures {
    fn add(&mut self, health: Health, caller: CallerHash) {
        self.count += 1;
        self.without_caller |= health == Health::Down;
        let has_room = self.by_caller.len() < MAX_CALLERS;
        match self.by_caller.iter_mut().find(|(known, _)| *known == caller) {
            Some((_, count)) => *count += 1,
            None if has_room => self.by_caller.push((caller, 1)),
            None => {}
        }
    }

    /// Returns false if one organisation has more than half of the failures: its load alone could be the cause of all of them.
    fn involve_several_callers(&self) -> bool {
        let most = self.by_caller.iter().map(|(_, count)| *count).max().unwrap_or_default();
        self.without_caller || most * 2 <= self.count
    }
}

#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// When the state was entered, or the last probe failed.
    since: Instant,
    in_a_row: Failures,
    window_began: Instant,
    calls: u32,
    failures: Failures,
    /// Number of failed probes since the instance became suspect; `None` if it is not.
    suspect: Option<u32>,
}

impl Breaker {
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Closed,
            since: now,
            in_a_row: Failures::default(),
            window_began: now,
            calls: 0,
            failures: Failures::default(),
            suspect: None,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Admits an attempt, or returns `None`. A probe is admitted `patience` after it is due. The watcher passes one period, so that a call of a
    /// user is the probe if there is one.
    pub fn admit(&mut self, now: Instant, patience: Duration) -> Option<Admission> {
        match self.state {
            State::Closed => Some(Admission::Call),
            State::HalfOpen => None,
            State::Open if now.saturating_duration_since(self.since) >= PROBE_PERIOD + patience => {
                self.enter(State::HalfOpen, now);
                Some(Admission::Probe)
            }
            State::Open => None,
        }
    }

    /// Returns true if one organisation has enough failures that a probe must decide.
    pub fn is_suspect(&self) -> bool {
        self.state == State::Closed && self.suspect.is_some()
    }

    /// Records a probe of a suspect instance.
    pub fn settle_suspicion(&mut self, now: Instant, ready: bool) {
        let Some(failed) = self.suspect.filter(|_| self.state == State::Closed) else { return };
        if ready {
            *self = Self::new(now);
        } else if failed + 1 >= SUSPECT_PROBES {
            self.enter(State::Open, now);
        } else {
            self.suspect = Some(failed + 1);
        }
    }

    /// Records the outcome of an admitted attempt of `caller`.
    pub fn settle(&mut self, now: Instant, admission: Admission, health: Health, caller: CallerHash) {
        match (admission, self.state) {
            (Admission::Probe, State::HalfOpen) => match health {
                Health::Healthy => self.enter(State::Closed, now),
                // A cancelled probe proves nothing, so the next one is due after another period.
                Health::Unhealthy | Health::Down | Health::Unknown => self.enter(State::Open, now),
            },
            (Admission::Call, State::Closed) => self.count(now, health, caller),
            // An attempt that began before the circuit opened says nothing about the instance's present state.
            (Admission::Call, State::Open | State::HalfOpen) | (Admission::Probe, State::Open | State::Closed) => {}
        }
    }

    fn count(&mut self, now: Instant, health: Health, caller: CallerHash) {
        // A new window begins with no calls: a sliding one would have to keep the time of every call.
        if now.saturating_duration_since(self.window_began) >= WINDOW {
            (self.window_began, self.calls, self.failures) = (now, 0, Failures::default());
        }
        match health {
            Health::Unknown => return,
            Health::Healthy => self.in_a_row = Failures::default(),
            Health::Unhealthy | Health::Down => {
                self.in_a_row.add(health, caller);
                self.failures.add(health, caller);
            }
        }
        self.calls += 1;
        let bad_row = self.in_a_row.count >= MAX_FAILURES_IN_A_ROW;
        let bad_share = self.calls >= MIN_JUDGED_CALLS && self.failures.count * 2 >= self.calls;
        if (bad_row && self.in_a_row.involve_several_callers())
            || (bad_share && self.failures.involve_several_callers())
        {
            self.enter(State::Open, now);
        } else if self.in_a_row.count >= SUSPECT_FAILURES || bad_share {
            self.suspect.get_or_insert(0);
        }
    }

    fn enter(&mut self, state: State, now: Instant) {
        *self = Self { state, since: now, ..Self::new(now) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn failing(breaker: &mut Breaker, now: Instant, times: u32) {
        for caller in 0..times {
            breaker.settle(now, Admission::Call, Health::Unhealthy, u64::from(caller));
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        failing(&mut breaker, start, 4);
        breaker.settle(start, Admission::Call, Health::Healthy, 0);
        failing(&mut breaker, start, 4);
        assert_eq!(breaker.admit(start, NOW), Some(Admission::Call));
        failing(&mut breaker, start, 1);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.admit(start, NOW), None);
    }

    #[test]
    fn half_of_many_calls_open_it_and_half_of_few_or_of_another_window_do_not() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        let mut caller = 0_u32;
        let mut pair = |breaker: &mut Breaker, now| {
            breaker.settle(now, Admission::Call, Health::Healthy, 0);
            breaker.settle(now, Admission::Call, Health::Unhealthy, u64::from(caller));
            caller += 1;
        };
        (0..9).for_each(|_| pair(&mut breaker, start));
        assert_eq!(breaker.state(), State::Closed);
        (0..9).for_each(|_| pair(&mut breaker, start + WINDOW));
        assert_eq!(breaker.state(), State::Closed);
        pair(&mut breaker, start + WINDOW);
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn an_open_circuit_lets_one_probe_through_each_second_and_closes_on_a_good_one() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        failing(&mut breaker, start, 5);
        let just_before = start + PROBE_PERIOD - Duration::from_millis(1);
        assert_eq!(breaker.admit(just_before, NOW), None);
        let first = start + PROBE_PERIOD;
        assert_eq!(breaker.admit(first, NOW), Some(Admission::Probe));
        assert_eq!(breaker.admit(first, NOW), None, "one probe at a time");
        breaker.settle(first, Admission::Probe, Health::Unhealthy, 0);
        assert_eq!(breaker.admit(first + PROBE_PERIOD / 2, NOW), None);
        assert_eq!(breaker.admit(first + PROBE_PERIOD, NOW), Some(Admission::Probe));
        breaker.settle(first + PROBE_PERIOD, Admission::Probe, Health::Healthy, 0);
        assert_eq!(breaker.state(), State::Closed);
        failing(&mut breaker, first + PROBE_PERIOD, 4);
        assert_eq!(breaker.state(), State::Closed, "old failures are forgotten");
    }

    #[test]
    fn an_unfinished_probe_is_no_proof_and_a_late_success_closes_nothing() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        failing(&mut breaker, start, 5);
        breaker.settle(start, Admission::Call, Health::Healthy, 0);
        assert_eq!(breaker.state(), State::Open);
        let due = start + PROBE_PERIOD;
        assert_eq!(breaker.admit(due, PROBE_PERIOD), None, "the watcher waits longer");
        assert_eq!(breaker.admit(due, NOW), Some(Admission::Probe));
        breaker.settle(due, Admission::Call, Health::Healthy, 0);
        assert_eq!(breaker.state(), State::HalfOpen);
        breaker.settle(due, Admission::Probe, Health::Unknown, 0);
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn failures_of_one_organisation_make_it_suspect_and_probes_decide() {
        let start = Instant::now();
        let fail = |breaker: &mut Breaker, caller| breaker.settle(start, Admission::Call, Health::Unhealthy, caller);
        let mut breaker = Breaker::new(start);
        (0..100).for_each(|_| fail(&mut breaker, 7));
        assert_eq!((breaker.state(), breaker.is_suspect()), (State::Closed, true));
        breaker.settle_suspicion(start, false);
        breaker.settle_suspicion(start, true);
        assert_eq!((breaker.state(), breaker.is_suspect()), (State::Closed, false), "it answers");
        (0..100).for_each(|_| fail(&mut breaker, 7));
        (0..SUSPECT_PROBES).for_each(|_| breaker.settle_suspicion(start, false));
        assert_eq!(breaker.state(), State::Open, "it does not answer");
        let mut breaker = Breaker::new(start);
        (0..100).for_each(|_| fail(&mut breaker, 7));
        (1..100).for_each(|other| fail(&mut breaker, 7 + other % 5));
        assert_eq!(breaker.state(), State::Closed, "most failures are of one organisation");
        let mut breaker = Breaker::new(start);
        (0..6).for_each(|caller| fail(&mut breaker, caller % 2));
        assert_eq!(breaker.state(), State::Open, "two organisations");
    }

    #[test]
    fn an_instance_without_a_listener_opens_it_for_one_organisation_too() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        (0..5).for_each(|_| breaker.settle(start, Admission::Call, Health::Down, 7));
        assert_eq!(breaker.state(), State::Open);
    }
}
