//! Computes the figure that a threshold bounds, and compares it with the threshold.

use crate::finding::Evidence;
use crate::op::{ErrorKind, Op, Outcome};
use crate::threshold::{Metric, Threshold, millis, percent};

/// Maximum number of operations that are shown as evidence of a broken threshold.
const MOST_SHOWN: usize = 3;

/// One figure.
pub(crate) struct Figure {
    /// The threshold and the figure, as text.
    pub(crate) text: String,
    /// Number of calls behind it.
    pub(crate) calls: u64,
    /// Why the threshold is broken, with the calls that show it.
    pub(crate) broken: Option<Evidence>,
}

impl Figure {
    /// Computes the figure of a threshold; `None` if there is no call of its kind.
    pub(crate) fn of<'a>(threshold: &Threshold, calls: impl Iterator<Item = (u32, &'a Op)>) -> Option<Self> {
        let is_meant = |op: &Op| threshold.operation.as_ref().is_none_or(|operation| **operation == *op.name);
        let calls = calls.filter(|(_, op)| is_meant(op));
        match threshold.metric {
            Metric::ErrorRate => error_rate(threshold, calls),
            Metric::LatencyPercentile(percentile) => latency(threshold, percentile, calls),
        }
    }
}

fn error_rate<'a>(threshold: &Threshold, calls: impl Iterator<Item = (u32, &'a Op)>) -> Option<Figure> {
    let (mut count, mut errors, mut first) = (0u64, 0u64, Vec::new());
    for (at, op) in calls {
        count += 1;
        if op.is_error() {
            errors += 1;
            if first.len() < MOST_SHOWN {
                first.push(at);
            }
        }
    }
    if count == 0 {
        return None;
    }
    let rate = errors as f64 / count as f64;
    let text = format!("{threshold}: {} ({errors} of {count} calls)", percent(rate));
    let broken = || Evidence::of(format!("{threshold} is broken: {} of calls were not ok", percent(rate)), &first);
    Some(Figure { text, calls: count, broken: (rate >= threshold.below).then(broken) })
}

fn latency<'a>(threshold: &Threshold, percentile: f64, calls: impl Iterator<Item = (u32, &'a Op)>) -> Option<Figure> {
    let sent = calls.filter(|(_, op)| has_latency(op));
    let mut latencies: Vec<(u64, u32)> = sent.map(|(at, op)| (op.latency_us(), at)).collect();
    let value = percentile_of(&mut latencies, percentile)?.0 as f64;
    let calls = latencies.len() as u64;
    let slowest = || {
        latencies.sort_unstable_by(|one, other| other.cmp(one));
        let shown: Vec<u32> = latencies.iter().take(MOST_SHOWN).map(|(_, at)| *at).collect();
        Evidence::of(format!("{threshold} is broken: p{percentile} is {}", millis(value)), &shown)
    };
    let text = format!("{threshold}: {}", millis(value));
    Some(Figure { text, calls, broken: (value >= threshold.below).then(slowest) })
}

/// Returns true if the call has a latency. A call that was never sent has none. A call that timed out has one, because it took at least that long.
fn has_latency(op: &Op) -> bool {
    !matches!(&op.outcome, Outcome::Failed(ErrorKind::Connect))
}

/// Returns the percentile by the nearest-rank method: the smallest value such that at least `percentile` percent of the values are not above it.
pub(crate) fn percentile_of<T: Ord + Copy>(values: &mut [T], percentile: f64) -> Option<T> {
    if values.is_empty() {
        return None;
    }
    let rank = (percentile / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
    let index = rank.min(values.len()) - 1;
    Some(*values.select_nth_unstable(index).1)
}
