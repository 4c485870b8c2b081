//! What one figure of some calls is, and whether it keeps below its threshold.

use crate::finding::Evidence;
use crate::op::{ErrorKind, Op, Outcome};
use crate::threshold::{Metric, Threshold, millis, percent};

/// Most operations that show why a threshold is broken.
const MOST_SHOWN: usize = 3;

/// One figure.
pub(crate) struct Figure {
    /// The threshold and the figure, as a person reads them.
    pub(crate) told: String,
    /// Calls that it is of.
    pub(crate) calls: u64,
    /// Why the threshold is broken, and the calls that show it.
    pub(crate) broken: Option<Evidence>,
}

impl Figure {
    /// The figure that a threshold is about; `None` where there is no such call.
    pub(crate) fn of<'a>(threshold: &Threshold, calls: impl Iterator<Item = (u32, &'a Op)>) -> Option<Self> {
        let asked =
            calls.filter(|(_, op)| threshold.operation.as_ref().is_none_or(|operation| **operation == *op.name));
        match threshold.metric {
            Metric::ErrorRate => error_rate(threshold, asked),
            Metric::LatencyPercentile(percentile) => latency(threshold, percentile, asked),
        }
    }
}

fn error_rate<'a>(threshold: &Threshold, asked: impl Iterator<Item = (u32, &'a Op)>) -> Option<Figure> {
    let (mut calls, mut errors, mut first) = (0u64, 0u64, Vec::new());
    for (at, op) in asked {
        calls += 1;
        if op.outcome != Outcome::Ok {
            errors += 1;
            if first.len() < MOST_SHOWN {
                first.push(at);
            }
        }
    }
    if calls == 0 {
        return None;
    }
    let rate = errors as f64 / calls as f64;
    Some(Figure {
        told: format!("{threshold}: {} ({errors} of {calls} calls)", percent(rate)),
        calls,
        broken: (rate >= threshold.below)
            .then(|| Evidence::of(format!("{threshold} is broken: {} of calls were not ok", percent(rate)), &first)),
    })
}

fn latency<'a>(threshold: &Threshold, percentile: f64, asked: impl Iterator<Item = (u32, &'a Op)>) -> Option<Figure> {
    let answered = asked.filter(|(_, op)| has_latency(op));
    let mut latencies: Vec<(u64, u32)> = answered.map(|(at, op)| (op.latency_us(), at)).collect();
    let value = percentile_of(&mut latencies, percentile)?.0 as f64;
    let calls = latencies.len() as u64;
    let slowest = || {
        latencies.sort_unstable_by(|one, other| other.cmp(one));
        let shown: Vec<u32> = latencies.iter().take(MOST_SHOWN).map(|(_, at)| *at).collect();
        Evidence::of(format!("{threshold} is broken: p{percentile} is {}", millis(value)), &shown)
    };
    Some(Figure {
        told: format!("{threshold}: {}", millis(value)),
        calls,
        broken: (value >= threshold.below).then(slowest),
    })
}

/// A call that was never sent has no latency; one that timed out has at least that much.
fn has_latency(op: &Op) -> bool {
    !matches!(&op.outcome, Outcome::Failed(ErrorKind::Connect))
}

/// Nearest rank: the smallest value that at least `percentile` percent of the values do not exceed.
pub(crate) fn percentile_of<T: Ord + Copy>(values: &mut [T], percentile: f64) -> Option<T> {
    if values.is_empty() {
        return None;
    }
    let rank = (percentile / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
    let index = rank.min(values.len()) - 1;
    Some(*values.select_nth_unstable(index).1)
}
