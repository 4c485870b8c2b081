//! Decides when a user makes its next call, in the closed and in the open model. It does not know which operation the
//! call is.

use super::arrivals::Arrivals;
use super::clock::{Clock, sleep_until};
use crate::plan::workload::{Model, RateStage, Workload};
use harness_history::Phase;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The times at which the phases of a run begin and end, in microseconds of the run's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Start of the warm-up.
    pub from_us: u64,
    pub measured_from_us: u64,
    pub until_us: u64,
}

impl Window {
    /// Returns the phases of a workload that starts at `from_us`.
    pub fn new(workload: &Workload, from_us: u64) -> Self {
        let measured_from_us = from_us + workload.warmup.as_micros() as u64;
        Self { from_us, measured_from_us, until_us: measured_from_us + workload.duration.as_micros() as u64 }
    }

    /// Returns the phase of a call that is due at this time.
    const fn phase(&self, at_us: u64) -> Phase {
        if at_us < self.measured_from_us { Phase::Warmup } else { Phase::Measured }
    }
}

/// The pace of all users of a run.
pub struct Pace {
    window: Window,
    kind: Kind,
    stop: CancellationToken,
}

enum Kind {
    Closed { think_us: u64 },
    Open { arrivals: Arrivals, numbers: Numbers },
}

/// The numbers of the calls of arrivals. The closed users beside them count in steps of all users, so that each of these
/// users has numbers of its own; the arrivals have the numbers of the users that make them.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    /// First number of a step.
    first: u64,
    /// Count of the numbers of a step.
    width: u64,
    /// Length of a step.
    step: u64,
}

impl Numbers {
    /// Every number.
    const ALL: Self = Self { first: 0, width: 1, step: 1 };

    const fn of(self, arrival: u64) -> u64 {
        arrival / self.width * self.step + self.first + arrival % self.width
    }
}

/// Pause of a user of the closed model after a refused connection, in microseconds. Without the pause, a hundred users
/// would fill the disk with refused calls.
const NO_CONNECTION_PAUSE_US: u64 = 50_000;

/// The last action of a user before its next call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum After {
    /// The user has just started. It first waits for this share (0 to 1) of the think time: users that start together
    /// would call in step.
    Start(f64),
    Call,
    NoConnection,
}

/// One call that is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTiming {
    pub phase: Phase,
    /// Time and number of the arrival in the schedule; only in the open model.
    pub planned_us: Option<u64>,
    pub number: Option<u64>,
    /// Earliest possible time of the send: the planned time, or the time at which the user became free. Any later send
    /// is the driver's delay.
    ready_us: u64,
}

impl CallTiming {
    /// Returns the timing of a call outside the schedule, before or after the load.
    pub const fn unscheduled(phase: Phase) -> Self {
        Self { phase, planned_us: None, number: None, ready_us: 0 }
    }

    /// Returns the driver's own delay of a call, in microseconds; `None` if the call was not planned. Waiting for a
    /// busy user is not part of it, because it is the service that is slow then, and the latency includes the wait.
    pub fn send_lag_us(&self, invoke_us: u64) -> Option<u64> {
        self.planned_us.map(|_| invoke_us.saturating_sub(self.ready_us))
    }
}

/// Limits the calls outside the schedule, before and after a load. The bound on the rate of a load beyond loopback is theirs as well.
pub struct UnscheduledPace {
    /// Time between two calls; 0 if only the speed of the server bounds them.
    gap_us: u64,
    next_us: AtomicU64,
}

impl UnscheduledPace {
    /// Allows this number of calls per second; `None` allows any.
    pub fn new(per_second: Option<u32>) -> Self {
        let gap_us = per_second.map_or(0, |calls| 1_000_000_u64.div_ceil(u64::from(calls.max(1))));
        Self { gap_us, next_us: AtomicU64::new(0) }
    }

    /// Waits until the next call may be sent. Each caller gets a time of its own.
    pub async fn wait<C: Clock>(&self, clock: &C) {
        if self.gap_us == 0 {
            return;
        }
        let now_us = clock.now_us();
        let after = |next_us: u64| Some(next_us.max(now_us) + self.gap_us);
        let next_us = self.next_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).unwrap_or_default();
        sleep_until(clock, next_us.max(now_us)).await;
    }
}

impl Pace {
    /// Returns the pace of a workload. It ends early if `stop` is cancelled.
    pub fn new(workload: &Workload, window: Window, stop: CancellationToken) -> Self {
        let kind = match &workload.model {
            Model::Closed { think_time } => Kind::Closed { think_us: think_time.as_micros() as u64 },
            Model::Open { stages } => {
                Kind::Open { arrivals: Arrivals::new(workload.warmup, stages), numbers: Numbers::ALL }
            }
        };
        Self { window, kind, stop }
    }

    /// Returns the pace of the arrivals beside the users of a closed model; `None` if there are none.
    pub fn beside(workload: &Workload, window: Window, stop: CancellationToken) -> Option<Self> {
        let beside = workload.beside.as_ref()?;
        let stage = RateStage { from_per_second: beside.rate, to_per_second: beside.rate, duration: workload.duration };
        let arrivals = Arrivals::new(workload.warmup, &[stage]);
        let (first, width, step) = (workload.users.into(), beside.users.into(), workload.all_users().into());
        Some(Self { window, kind: Kind::Open { arrivals, numbers: Numbers { first, width, step } }, stop })
    }

    /// Returns a pace of arrivals at one rate until `stop` is cancelled. All of them are measured.
    pub fn endless(rate: f64, stop: CancellationToken) -> Self {
        let window = Window { from_us: 0, measured_from_us: 0, until_us: u64::MAX };
        Self { window, kind: Kind::Open { arrivals: Arrivals::endless(rate), numbers: Numbers::ALL }, stop }
    }

    /// Returns the number of arrivals planned in the measured phase; `None` in the closed model.
    pub fn planned_arrivals(&self) -> Option<u64> {
        match &self.kind {
            Kind::Closed { .. } => None,
            Kind::Open { arrivals, .. } => {
                Some(arrivals.planned_from(self.window.measured_from_us - self.window.from_us))
            }
        }
    }

    /// Multiplies the rate of an open schedule by `times` for `lasts`, from now on. Does nothing in the closed model.
    pub fn surge(&self, now_us: u64, times: f64, lasts: Duration) {
        if let Kind::Open { arrivals, .. } = &self.kind {
            arrivals.surge(now_us - self.window.from_us, times, lasts);
        }
    }

    /// Waits for the next call of a user that is free now; `None` when the run is over.
    pub async fn next<C: Clock>(&self, clock: &C, after: After) -> Option<CallTiming> {
        let free_us = clock.now_us();
        match &self.kind {
            Kind::Closed { think_us } => {
                let pause_us = match after {
                    After::Start(share) => (*think_us as f64 * share) as u64,
                    After::Call => *think_us,
                    After::NoConnection => (*think_us).max(NO_CONNECTION_PAUSE_US),
                };
                // A user that is ready before the window waits for it, so that the warm-up has its full length.
                self.unplanned(clock, (free_us + pause_us).max(self.window.from_us)).await
            }
            Kind::Open { arrivals, numbers } => {
                // Taken before the wait, so that each of several free users waits for another arrival. There is no
                // check of the end: an arrival that a stall delays beyond it is still sent, because to omit it would
                // omit the latency of the stall.
                let (number, planned_us) = arrivals.take()?;
                let planned_us = planned_us + self.window.from_us;
                if !self.wait(clock, planned_us).await {
                    return None;
                }
                let (phase, ready_us) = (self.window.phase(planned_us), planned_us.max(free_us));
                Some(CallTiming { phase, planned_us: Some(planned_us), number: Some(numbers.of(number)), ready_us })
            }
        }
    }

    /// Waits for a pause, and returns the timing of a follow-up call; `None` when the run is over.
    pub async fn follow_up<C: Clock>(&self, clock: &C, pause: Duration) -> Option<CallTiming> {
        // Not planned, because it depends on a reply: its latency counts from the send.
        self.unplanned(clock, clock.now_us() + pause.as_micros() as u64).await
    }

    async fn unplanned<C: Clock>(&self, clock: &C, due_us: u64) -> Option<CallTiming> {
        if due_us >= self.window.until_us || !self.wait(clock, due_us).await {
            return None;
        }
        // The wait may return late, after the end of the run.
        let now_us = clock.now_us();
        let phase = self.window.phase(now_us);
        (now_us < self.window.until_us).then_some(CallTiming {
            phase,
            planned_us: None,
            number: None,
            ready_us: now_us,
        })
    }

    /// Waits until a time. Returns false if the run was stopped.
    async fn wait<C: Clock>(&self, clock: &C, at_us: u64) -> bool {
        if clock.now_us() < at_us {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = sleep_until(clock, at_us) => {}
            }
        }
        !self.stop.is_cancelled()
    }
}

#[cfg(test)]
mod tests;
