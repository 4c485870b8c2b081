//! The running counts of a load or an experiment. They are used for the progress line, for the driver's report, and for
//! the decision to end a run that goes worse than planned. Their size does not depend on the number of calls.

use crate::stack::view::Progress;
use harness_history::{Op, Outcome, Phase};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

/// Maximum latency that the histograms record, in microseconds: an hour. A higher latency counts as an hour.
const MAX_US: u64 = 3_600_000_000;

/// Length of the intervals of [`Tally::error_share`], in microseconds.
const INTERVAL_US: u64 = 100_000;
/// Number of intervals that are kept: 15 minutes, the longest that an experiment may look back.
const INTERVALS: usize = 9_000;

pub struct Tally {
    /// Errors that an experiment allows, by the names that reports use. They are shown, and do not end the run.
    allowed: Vec<String>,
    // Never contended: a load runs on one thread, and an experiment in one task.
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
    /// Errors of the phase that are allowed.
    phase_allowed: u64,
    measured_calls: u64,
    measured_arrivals: u64,
    /// The number, the calls and the errors that are not allowed of each interval; the newest interval is the last.
    intervals: VecDeque<(u64, u64, u64)>,
    latency: Histogram<u64>,
    lag: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Tally {
    /// Counts calls and errors; `allowed` are the errors that an experiment allows.
    pub fn new(allowed: Vec<String>) -> Self {
        // With three significant digits a percentile is exact to 0.1 %.
        let histogram = || Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are in order");
        let counts = Counts {
            phase: Phase::Setup,
            calls: 0,
            errors: 0,
            phase_calls: 0,
            phase_errors: 0,
            phase_allowed: 0,
            measured_calls: 0,
            measured_arrivals: 0,
            intervals: VecDeque::new(),
            latency: histogram(),
            lag: histogram(),
        };
        Self {
            allowed,
            counts: Mutex::new(counts),
            users: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
        }
    }

    /// Counts the start of a call.
    pub fn begin(&self) {
        // Relaxed, because these are figures for people; they order no other memory.
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    /// Counts the end of a call; `send_lag_us` is the driver's own delay if the call was planned.
    pub fn end(&self, op: &Op, send_lag_us: Option<u64>) {
        let outcome = if op.is_error() { &op.outcome } else { &Outcome::Ok };
        self.count(op.phase, outcome, op.complete_us, op.latency_us(), send_lag_us);
    }

    /// See [`Tally::end`].
    pub fn count(&self, phase: Phase, outcome: &Outcome, complete_us: u64, latency_us: u64, send_lag_us: Option<u64>) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let kind = outcome.error();
        let error = u64::from(kind.is_some());
        let allowed = u64::from(kind.is_some_and(|kind| kind.is_named(&self.allowed)));
        let mut counts = self.counts.lock();
        counts.note_interval(complete_us / INTERVAL_US, error - allowed);
        counts.calls += 1;
        counts.errors += error;
        if phase == Phase::Measured {
            counts.measured_calls += 1;
            if let Some(lag) = send_lag_us {
                counts.measured_arrivals += 1;
                counts.lag.saturating_record(lag);
            }
        }
        // The first call that ends in a later phase begins that phase.
        if phase > counts.phase {
            counts.phase = phase;
            counts.begin_phase();
        }
        // A call of the previous phase that ends late does not count in the figures of this phase.
        if phase == counts.phase {
            counts.phase_calls += 1;
            counts.phase_errors += error;
            counts.phase_allowed += allowed;
            counts.latency.saturating_record(latency_us);
        }
    }

    /// Resets the figures of the phase, such as when the fault of an experiment begins.
    pub fn begin_phase(&self) {
        self.counts.lock().begin_phase();
    }

    /// Returns the share of errors that are not allowed among the calls that ended in the last `within_us`, and the number of these calls.
    pub fn error_share(&self, now_us: u64, within_us: u64) -> (f64, u64) {
        let since = now_us.saturating_sub(within_us) / INTERVAL_US;
        let counts = self.counts.lock();
        let recent = counts.intervals.iter().rev().take_while(|(interval, _, _)| *interval >= since);
        let (calls, errors) = recent.fold((0, 0), |(calls, errors), (_, more, bad)| (calls + more, errors + bad));
        (errors as f64 / (calls as f64).max(1.0), calls)
    }

    pub fn user_starts(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    pub fn user_ends(&self) {
        self.users.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the highest number of calls that overlapped, each of another user.
    pub fn peak(&self) -> u32 {
        self.peak.load(Ordering::Relaxed)
    }

    pub fn measured_calls(&self) -> u64 {
        self.counts.lock().measured_calls
    }

    /// Returns the number of arrivals that were sent in the measured phase.
    pub fn measured_arrivals(&self) -> u64 {
        self.counts.lock().measured_arrivals
    }

    /// Returns the send lag at a percentile (0 to 100), in microseconds; `None` if no call was planned.
    pub fn send_lag_us(&self, percentile: f64) -> Option<u64> {
        let counts = self.counts.lock();
        (!counts.lag.is_empty()).then(|| counts.lag.value_at_percentile(percentile))
    }

    /// Returns the progress. `calls` and `errors` count since the last progress line, the other figures since the start
    /// of the phase. The caller fills in the remaining time.
    pub fn progress(&self, at_us: u64) -> Progress {
        let mut counts = self.counts.lock();
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
            phase_allowed: counts.phase_allowed,
            latency_us_p50: latency(50.0),
            latency_us_p95: latency(95.0),
            latency_us_p99: latency(99.0),
        };
        (counts.calls, counts.errors) = (0, 0);
        progress
    }
}

impl Counts {
    fn begin_phase(&mut self) {
        (self.phase_calls, self.phase_errors, self.phase_allowed) = (0, 0, 0);
        self.latency.reset();
    }

    fn note_interval(&mut self, interval: u64, error: u64) {
        match self.intervals.back_mut() {
            // Calls are counted nearly in the order of their ends, so a call of an earlier interval counts in the last.
            Some((last, calls, errors)) if *last >= interval => (*calls, *errors) = (*calls + 1, *errors + error),
            _ => self.intervals.push_back((interval, 1, error)),
        }
        if self.intervals.len() > INTERVALS {
            self.intervals.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Op, Outcome, Phase, Tally};
    use harness_history::{Effect, ErrorKind};

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

    #[test]
    fn the_error_share_covers_the_last_calls_without_allowed_errors() {
        let tally = Tally::new(vec!["quota".to_owned()]);
        for (at_us, outcome) in [
            (1_000_000, Outcome::Failed(ErrorKind::Connect)),
            (6_000_000, Outcome::Failed(ErrorKind::Quota)),
            (6_200_000, Outcome::Failed(ErrorKind::Connect)),
            (6_200_001, Outcome::Ok),
        ] {
            tally.begin();
            tally.end(&op(Phase::Measured, at_us, outcome), None);
        }
        assert_eq!(tally.error_share(7_000_000, 2_000_000), (1.0 / 3.0, 3));
        assert_eq!(tally.error_share(7_000_000, 7_000_000), (0.5, 4));
        // A fault whose errors are all allowed must not look like one that no client notices.
        let progress = tally.progress(7_000_000);
        assert_eq!((progress.phase_calls, progress.phase_errors, progress.phase_allowed), (4, 3, 1));
        tally.begin_phase();
        assert_eq!((tally.progress(7_000_001).phase_errors, tally.progress(7_000_002).phase_allowed), (0, 0));
    }
}
