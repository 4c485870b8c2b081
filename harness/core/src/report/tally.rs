//! Counts calls and their latencies. A [`Tally`] keeps histograms of a fixed size. A [`Second`] keeps each latency of
//! one second.

use super::figures::{CurvePoint, OperationFigures, Percentiles, SecondFigures};
use harness_history::{OpRef, Phase, percentile};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Highest latency that a histogram can hold, in microseconds: one hour.
const MAX_LATENCY_US: u64 = 3_600_000_000;
/// Percentiles of a latency curve.
const CURVE: [f64; 16] =
    [0.0, 25.0, 50.0, 75.0, 80.0, 85.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999];
/// Significant digits of a latency.
const DIGITS: u8 = 3;

pub(super) struct Tally {
    calls: u64,
    ok: u64,
    errors: BTreeMap<String, u64>,
    latency: Histogram<u64>,
    service: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { calls: 0, ok: 0, errors: BTreeMap::new(), latency: histogram(), service: histogram() }
    }
}

impl Tally {
    pub(super) fn add(&mut self, op: OpRef<'_>) {
        self.calls += 1;
        match op.outcome().error() {
            None => self.ok += 1,
            Some(kind) => *self.errors.entry(kind.label()).or_default() += 1,
        }
        // The same calls as in the judgement, so that both name the same percentiles.
        if op.counts_for_latency() {
            // The lowest value of the histograms is 1.
            self.latency.saturating_record(op.latency_us().max(1));
            self.service.saturating_record(op.service_us().max(1));
        }
    }

    pub(super) fn figures(self, secs: f64) -> OperationFigures {
        OperationFigures {
            calls: self.calls,
            ok: self.ok,
            per_second: if secs > 0.0 { self.calls as f64 / secs } else { 0.0 },
            error_rate: if self.calls > 0 { 1.0 - self.ok as f64 / self.calls as f64 } else { 0.0 },
            errors: self.errors,
            latency_us: percentiles(&self.latency),
            service_us: percentiles(&self.service),
            latency_curve: curve(&self.latency),
        }
    }
}

#[derive(Default)]
pub(super) struct Second {
    measured: bool,
    calls: u64,
    errors: u64,
    latencies: Vec<u64>,
}

impl Second {
    pub(super) fn add(&mut self, op: OpRef<'_>) {
        self.measured |= op.phase() == Phase::Measured;
        self.calls += 1;
        self.errors += u64::from(!op.is_ok());
        self.latencies.extend(op.counts_for_latency().then(|| op.latency_us()));
    }

    pub(super) fn figures(mut self, at: u64) -> SecondFigures {
        let mut value = |percentile| percentile::of(&mut self.latencies, percentile).unwrap_or_default();
        let latency_us = Percentiles {
            p50: value(50.0),
            p90: value(90.0),
            p95: value(95.0),
            p99: value(99.0),
            p99_9: value(99.9),
            max: value(100.0),
        };
        SecondFigures { at, measured: self.measured, calls: self.calls, errors: self.errors, latency_us }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, DIGITS).expect("the bounds are in order and the digits at most five")
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let [p50, p90, p95, p99, p99_9] = values(histogram, [50.0, 90.0, 95.0, 99.0, 99.9]);
    Percentiles { p50, p90, p95, p99, p99_9, max: histogram.max() }
}

/// Returns the latency over percentiles. Omits a percentile that less than one call exceeds, because its value would be
/// the maximum.
fn curve(histogram: &Histogram<u64>) -> Vec<CurvePoint> {
    let tell_apart = |point: &CurvePoint| percentile::rank(point.percentile, histogram.len()) < histogram.len();
    let points = CURVE.into_iter().zip(values(histogram, CURVE));
    points.map(|(percentile, us)| CurvePoint { percentile, us }).filter(tell_apart).collect()
}

/// Returns the values at these percentiles, which ascend, by the rank that the judgement uses; 0 if there is no value.
fn values<const N: usize>(histogram: &Histogram<u64>, percentiles: [f64; N]) -> [u64; N] {
    let (mut recorded, mut value, mut counted) = (histogram.iter_recorded(), 0, 0);
    percentiles.map(|percentile| {
        let rank = percentile::rank(percentile, histogram.len());
        while counted < rank
            && let Some(next) = recorded.next()
        {
            (value, counted) =
                (histogram.highest_equivalent(next.value_iterated_to()), counted + next.count_at_value());
        }
        value
    })
}

#[cfg(test)]
mod tests {
    use super::{histogram, percentiles, values};

    #[test]
    fn reports_and_checks_use_the_same_percentile_rank() {
        let mut of_4000 = histogram();
        (0..3_996).for_each(|_| of_4000.saturating_record(10));
        (0..4).for_each(|_| of_4000.saturating_record(1_000));
        assert_eq!(percentiles(&of_4000).p99_9, 10, "the value of rank 3,996");
        assert_eq!(values(&of_4000, [0.0, 50.0, 99.95, 100.0]), [10, 10, 1_000, 1_000]);
        assert_eq!(values(&histogram(), [50.0]), [0]);
    }
}
