//! When a user makes its next call: the closed and the open model. Knows nothing of what is called.

use crate::arrivals::Arrivals;
use crate::clock::{Clock, sleep_until};
use harness_core::plan::workload::{Model, Workload};
use harness_history::Phase;
use tokio_util::sync::CancellationToken;

/// The parts of a run in time, in microseconds of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// When the warm-up begins.
    pub(crate) from_us: u64,
    /// When measuring begins.
    pub(crate) measured_from_us: u64,
    /// When measuring ends.
    pub(crate) until_us: u64,
}

impl Window {
    /// Lays the phases of a workload out from a start.
    pub(crate) fn new(workload: &Workload, from_us: u64) -> Self {
        let measured_from_us = from_us + workload.warmup.as_micros() as u64;
        Self { from_us, measured_from_us, until_us: measured_from_us + workload.duration.as_micros() as u64 }
    }

    /// The phase of a call that is due at this time.
    pub(crate) const fn phase(&self, at_us: u64) -> Phase {
        if at_us < self.measured_from_us { Phase::Warmup } else { Phase::Measured }
    }
}

/// Decides for all users together.
pub(crate) struct Pace {
    window: Window,
    kind: Kind,
    stop: CancellationToken,
}

enum Kind {
    Closed { think_us: u64 },
    Open(Arrivals),
}

/// How long a user of the closed model waits where nobody listens, in microseconds: without it, a hundred users fill a
/// disk with refusals.
const NO_CONNECTION_PAUSE_US: u64 = 50_000;

/// What a user did before its turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum After {
    /// Nothing; this share (0 to 1) of the think time staggers users that would march in step.
    Start(f64),
    /// A call.
    Call,
    /// A call that found no connection.
    NoConnection,
}

/// One call that is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Part of the run that it belongs to.
    pub(crate) phase: Phase,
    /// When the schedule wanted it; only in the open model.
    pub(crate) planned_us: Option<u64>,
    /// When it could be sent at the earliest: planned, and its user free. What comes after is the driver's own delay.
    ready_us: u64,
}

impl Turn {
    /// How late a call was sent by the driver's own fault; microseconds, `None` in the closed model. Waiting for a user
    /// that is still busy is not part of it: that is the service's slowness, and it is in the latency.
    pub(crate) fn send_lag_us(&self, invoke_us: u64) -> Option<u64> {
        self.planned_us.map(|_| invoke_us.saturating_sub(self.ready_us))
    }
}

impl Pace {
    /// The pace of a workload; it ends early when `stop` is cancelled.
    pub(crate) fn new(workload: &Workload, window: Window, stop: CancellationToken) -> Self {
        let kind = match &workload.model {
            Model::Closed { think_time } => Kind::Closed { think_us: think_time.as_micros() as u64 },
            Model::Open { stages } => Kind::Open(Arrivals::new(workload.warmup, stages)),
        };
        Self { window, kind, stop }
    }

    /// Arrivals that the schedule wants in the measured phase; only in the open model.
    pub(crate) fn planned_arrivals(&self) -> Option<u64> {
        match &self.kind {
            Kind::Closed { .. } => None,
            Kind::Open(arrivals) => Some(arrivals.planned_from(self.window.measured_from_us - self.window.from_us)),
        }
    }

    /// Waits for the next turn of a user that is free now; `None` when the run is over.
    pub(crate) async fn next<C: Clock>(&self, clock: &C, after: After) -> Option<Turn> {
        let free_us = clock.now_us();
        match &self.kind {
            Kind::Closed { think_us } => {
                let pause_us = match after {
                    After::Start(share) => (*think_us as f64 * share) as u64,
                    After::Call => *think_us,
                    After::NoConnection => (*think_us).max(NO_CONNECTION_PAUSE_US),
                };
                let due_us = (free_us + pause_us).max(self.window.from_us);
                if due_us >= self.window.until_us || !self.wait(clock, due_us).await {
                    return None;
                }
                let now_us = clock.now_us();
                let phase = self.window.phase(now_us);
                (now_us < self.window.until_us).then_some(Turn { phase, planned_us: None, ready_us: now_us })
            }
            Kind::Open(arrivals) => {
                let planned_us = arrivals.take()? + self.window.from_us;
                if !self.wait(clock, planned_us).await {
                    return None;
                }
                let phase = self.window.phase(planned_us);
                Some(Turn { phase, planned_us: Some(planned_us), ready_us: planned_us.max(free_us) })
            }
        }
    }

    /// Waits until then; false where the run was stopped.
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
