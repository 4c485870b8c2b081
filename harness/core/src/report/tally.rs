//! Counts calls and their latencies. A [`Tally`] keeps histograms of a fixed size. A [`Second`] keeps each latency of
//! one second.

use super::figures::{CurvePoint, OperationFigures, Percentiles, SecondFigures};
use harness_history::{Op, Outcome, Phase};
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
    pub(super) fn add(&mut self, op: &Op) {
        self.calls += 1;
        match op.outcome.error() {
            None => self.ok += 1,
            Some(kind) => *self.errors.entry(kind.label()).or_default() += 1,
        }
        // The lowest value of the histograms is 1.
        self.latency.saturating_record(op.latency_us().max(1));
        self.service.saturating_record(op.service_us().max(1));
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
    errors: u64,
    latencies: Vec<u64>,
}

impl Second {
    pub(super) fn add(&mut self, op: &Op) {
        self.measured |= op.phase == Phase::Measured;
        self.errors += u64::from(op.outcome != Outcome::Ok);
        self.latencies.push(op.latency_us());
    }

    pub(super) fn figures(mut self, at: u64) -> SecondFigures {
        self.latencies.sort_unstable();
        let rank = |share: f64| {
            let index = ((share * self.latencies.len() as f64).ceil() as usize).max(1) - 1;
            self.latencies.get(index).copied().unwrap_or_default()
        };
        let latency_us = Percentiles {
            p50: rank(0.5),
            p90: rank(0.9),
            p95: rank(0.95),
            p99: rank(0.99),
            p99_9: rank(0.999),
            max: rank(1.0),
        };
        SecondFigures {
            at,
            measured: self.measured,
            calls: self.latencies.len() as u64,
            errors: self.errors,
            latency_us,
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, DIGITS).expect("the bounds are in order and the digits at most five")
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    if histogram.is_empty() {
        return Percentiles::default();
    }
    Percentiles {
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p95: histogram.value_at_quantile(0.95),
        p99: histogram.value_at_quantile(0.99),
        p99_9: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    }
}

/// Returns the latency over percentiles. Omits a percentile that less than one call exceeds, because its value would be
/// the maximum.
fn curve(histogram: &Histogram<u64>) -> Vec<CurvePoint> {
    let tell_apart = |percentile: &&f64| histogram.len() as f64 * (1.0 - **percentile / 100.0) >= 1.0;
    let point =
        |percentile: &f64| CurvePoint { percentile: *percentile, us: histogram.value_at_percentile(*percentile) };
    CURVE.iter().filter(tell_apart).map(point).collect()
}
