//! What was counted so far: enough for a progress line and the driver's report. Its size does not depend on how many
//! calls there are.

use harness_core::stack::view::Progress;
use harness_history::{Op, Phase};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest latency that is told apart, in microseconds: an hour.
const MAX_US: u64 = 3_600_000_000;

/// Counts for all users.
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    users: AtomicU32,
    in_flight: AtomicU32,
    peak: AtomicU32,
}

struct Counts {
    phase: Phase,
    calls: u64,
    errors: u64,
    phase_calls: u64,
    phase_errors: u64,
    measured_calls: u64,
    latency: Histogram<u64>,
    lag: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are in order");
        let counts = Counts {
            phase: Phase::Setup,
            calls: 0,
            errors: 0,
            phase_calls: 0,
            phase_errors: 0,
            measured_calls: 0,
            latency: histogram(),
            lag: histogram(),
        };
        Self {
            counts: Mutex::new(counts),
            users: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
        }
    }
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub(crate) fn begin(&self) {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    /// A call ended; `send_lag_us` is the driver's own delay, where there was a plan.
    pub(crate) fn end(&self, op: &Op, send_lag_us: Option<u64>) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let error = u64::from(op.outcome.error().is_some());
        let mut counts = self.lock();
        counts.calls += 1;
        counts.errors += error;
        if op.phase == Phase::Measured {
            counts.measured_calls += 1;
            if let Some(lag) = send_lag_us {
                counts.lag.saturating_record(lag);
            }
        }
        if op.phase > counts.phase {
            counts.phase = op.phase;
            (counts.phase_calls, counts.phase_errors) = (0, 0);
            counts.latency.reset();
        }
        // A call of the phase before that ends late belongs to neither figure of this one.
        if op.phase == counts.phase {
            counts.phase_calls += 1;
            counts.phase_errors += error;
            counts.latency.saturating_record(op.latency_us());
        }
    }

    /// A user starts.
    pub(crate) fn user_starts(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// A user is done.
    pub(crate) fn user_ends(&self) {
        self.users.fetch_sub(1, Ordering::Relaxed);
    }

    /// Calls that overlapped at the peak, each of another user.
    pub(crate) fn peak(&self) -> u32 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Calls made in the measured phase.
    pub(crate) fn measured_calls(&self) -> u64 {
        self.lock().measured_calls
    }

    /// Send lag at a percentile (0 to 100), in microseconds; `None` where nothing had a plan.
    pub(crate) fn send_lag_us(&self, percentile: f64) -> Option<u64> {
        let counts = self.lock();
        (!counts.lag.is_empty()).then(|| counts.lag.value_at_percentile(percentile))
    }

    /// What happened since the last time this was asked; the time left is for others to know.
    pub(crate) fn progress(&self, at_us: u64) -> Progress {
        let mut counts = self.lock();
        let latency = |percentile| counts.latency.value_at_percentile(percentile);
        let progress = Progress {
            at_us,
            phase: counts.phase,
            left_us: 0,
            users: self.users.load(Ordering::Relaxed),
            calls: counts.calls,
            errors: counts.errors,
            phase_calls: counts.phase_calls,
            phase_errors: counts.phase_errors,
            latency_us_p50: latency(50.0),
            latency_us_p95: latency(95.0),
            latency_us_p99: latency(99.0),
        };
        (counts.calls, counts.errors) = (0, 0);
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::{Op, Phase, Tally};
    use harness_history::{Effect, ErrorKind, Outcome};

    fn op(phase: Phase, latency_us: u64, outcome: Outcome) -> Op {
        Op {
            process: 0,
            tenant: "o".into(),
            user: "u".into(),
            workspace: None,
            name: "get_memory".into(),
            phase,
            planned_us: None,
            invoke_us: 10,
            complete_us: 10 + latency_us,
            outcome,
            strays: Vec::new(),
            effect: Effect::None,
        }
    }

    #[test]
    fn every_phase_counts_anew_and_late_calls_of_the_last_one_do_not_count() {
        let tally = Tally::default();
        let end = |phase, latency, outcome| {
            tally.begin();
            tally.end(&op(phase, latency, outcome), None);
        };
        end(Phase::Warmup, 9_000, Outcome::Ok);
        end(Phase::Measured, 100, Outcome::Ok);
        end(Phase::Warmup, 9_000, Outcome::Ok);
        end(Phase::Measured, 100, Outcome::Unknown(ErrorKind::Timeout));
        let progress = tally.progress(1);
        assert_eq!((progress.calls, progress.errors), (4, 1));
        assert_eq!((progress.phase, progress.phase_calls, progress.phase_errors), (Phase::Measured, 2, 1));
        assert_eq!((progress.latency_us_p50, progress.latency_us_p99), (100, 100));
        assert_eq!((tally.progress(1).calls, tally.measured_calls()), (0, 2));
    }

    #[test]
    fn the_peak_is_what_overlapped() {
        let tally = Tally::default();
        (0..3).for_each(|_| tally.begin());
        (0..3).for_each(|_| tally.end(&op(Phase::Measured, 1, Outcome::Ok), Some(7)));
        tally.begin();
        assert_eq!((tally.peak(), tally.send_lag_us(99.0)), (3, Some(7)));
    }
}
