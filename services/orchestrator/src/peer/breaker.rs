//! The circuit breaker of one instance, as data: it is told what happened and when, and says whether the instance may be asked. It opens
//! after a run of failures or a bad share of many calls, and then lets one probe through each second.

use super::error::Health;
use std::time::{Duration, Instant};

/// Failures in a row that open it.
pub const MAX_FAILURES_IN_A_ROW: u32 = 5;
/// Fewest calls of a window whose share of failures is judged.
pub const MIN_JUDGED_CALLS: u32 = 20;
/// How long a window is.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Pause before each probe of an open circuit.
pub const PROBE_PERIOD: Duration = Duration::from_secs(1);

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The instance is asked.
    Closed,
    /// One probe is on its way.
    HalfOpen,
    /// The instance is left alone.
    Open,
}

impl State {
    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    /// The number in the gauge.
    pub const fn number(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

/// What a permitted attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// One of many.
    Call,
    /// The probe that decides whether the circuit closes.
    Probe,
}

/// A breaker.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// When the state was entered, or in `Open` when the last probe failed.
    since: Instant,
    in_a_row: u32,
    window_began: Instant,
    calls: u32,
    failures: u32,
}

impl Breaker {
    /// A closed one.
    pub fn new(now: Instant) -> Self {
        Self { state: State::Closed, since: now, in_a_row: 0, window_began: now, calls: 0, failures: 0 }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Asks for a pass; `patience` is how long a due probe is left to others first.
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

    /// Tells what became of a pass.
    pub fn settle(&mut self, now: Instant, admission: Admission, health: Health) {
        match (admission, self.state) {
            (Admission::Probe, State::HalfOpen) => match health {
                Health::Healthy => self.enter(State::Closed, now),
                Health::Unhealthy | Health::Unknown => self.enter(State::Open, now),
            },
            (Admission::Call, State::Closed) => self.count(now, health),
            // An attempt that began before the circuit opened says nothing about the instance of now.
            (Admission::Call, State::Open | State::HalfOpen) | (Admission::Probe, State::Open | State::Closed) => {}
        }
    }

    fn count(&mut self, now: Instant, health: Health) {
        if now.saturating_duration_since(self.window_began) >= WINDOW {
            (self.window_began, self.calls, self.failures) = (now, 0, 0);
        }
        match health {
            Health::Unknown => return,
            Health::Healthy => self.in_a_row = 0,
            Health::Unhealthy => {
                self.in_a_row += 1;
                self.failures += 1;
            }
        }
        self.calls += 1;
        let bad_share = self.calls >= MIN_JUDGED_CALLS && self.failures * 2 >= self.calls;
        if self.in_a_row >= MAX_FAILURES_IN_A_ROW || bad_share {
            self.enter(State::Open, now);
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
        for _ in 0..times {
            breaker.settle(now, Admission::Call, Health::Unhealthy);
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        failing(&mut breaker, start, 4);
        breaker.settle(start, Admission::Call, Health::Healthy);
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
        let pair = |breaker: &mut Breaker, now| {
            breaker.settle(now, Admission::Call, Health::Healthy);
            breaker.settle(now, Admission::Call, Health::Unhealthy);
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
        breaker.settle(first, Admission::Probe, Health::Unhealthy);
        assert_eq!(breaker.admit(first + PROBE_PERIOD / 2, NOW), None);
        assert_eq!(breaker.admit(first + PROBE_PERIOD, NOW), Some(Admission::Probe));
        breaker.settle(first + PROBE_PERIOD, Admission::Probe, Health::Healthy);
        assert_eq!(breaker.state(), State::Closed);
        failing(&mut breaker, first + PROBE_PERIOD, 4);
        assert_eq!(breaker.state(), State::Closed, "old failures are forgotten");
    }

    #[test]
    fn a_probe_that_nobody_finished_is_no_proof_and_a_late_success_closes_nothing() {
        let start = Instant::now();
        let mut breaker = Breaker::new(start);
        failing(&mut breaker, start, 5);
        breaker.settle(start, Admission::Call, Health::Healthy);
        assert_eq!(breaker.state(), State::Open);
        let due = start + PROBE_PERIOD;
        assert_eq!(breaker.admit(due, PROBE_PERIOD), None, "the patient wait longer");
        assert_eq!(breaker.admit(due, NOW), Some(Admission::Probe));
        breaker.settle(due, Admission::Call, Health::Healthy);
        assert_eq!(breaker.state(), State::HalfOpen);
        breaker.settle(due, Admission::Probe, Health::Unknown);
        assert_eq!(breaker.state(), State::Open);
    }
}
