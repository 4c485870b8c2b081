//! Computes the figure that a threshold bounds, and compares it with the threshold. Calls whose time a stall of the harness explains
//! say nothing about the stack and are left out of it.

use crate::Conditions;
use crate::counted;
use crate::finding::Evidence;
use crate::history::{History, span_of};
use crate::op::ErrorKind;
use crate::percentile;
use crate::threshold::{Metric, Threshold, millis, percent, percentile_name};
use crate::view::OpRef;

/// Maximum number of operations that are shown as evidence of a broken threshold.
const MOST_SHOWN: usize = 3;

/// A busy machine delays each call by less than this. Below it, even the fastest of many calls may wait for other processes.
const LEAST_CERTAIN_US: u64 = 50_000;

/// One figure.
pub(crate) struct Figure {
    /// The threshold and the figure, as text.
    pub(crate) text: String,
    /// Number of calls behind it.
    pub(crate) calls: u64,
    /// Whether the threshold holds.
    pub(crate) result: FigureResult,
}

/// Result of comparing a figure with its threshold.
pub(crate) enum FigureResult {
    Holds,
    Broken {
        /// Why, with the calls that show it.
        evidence: Evidence,
        /// True if neither a stall nor a crowded machine explains it.
        certain: bool,
    },
    /// There are too few calls to say.
    NotMeasured,
}

impl Figure {
    /// Computes the figure of a threshold; `None` if there is no call of its kind.
    pub(crate) fn of<'a>(
        threshold: &Threshold,
        history: &History,
        calls: impl Iterator<Item = (u32, OpRef<'a>)>,
    ) -> Option<Self> {
        let is_meant = |op: OpRef<'_>| threshold.operation.as_ref().is_none_or(|operation| operation == op.name());
        let calls = calls.filter(|(_, op)| is_meant(*op));
        match threshold.metric {
            Metric::ErrorRate => error_rate(threshold, calls.filter(|(_, op)| !is_left_out(history, *op))),
            Metric::LatencyPercentile(percentile) => {
                let bound_us = threshold.below as u64;
                let says_nothing =
                    |op: OpRef<'_>| history.is_stalled(op) && history.is_explained_by_stalls(span_of(op), bound_us);
                let calls = calls.filter(|(_, op)| !says_nothing(*op));
                latency(threshold, percentile, history.conditions(), calls)
            }
        }
    }
}

fn error_rate<'a>(threshold: &Threshold, calls: impl Iterator<Item = (u32, OpRef<'a>)>) -> Option<Figure> {
    let (mut count, mut errors, mut certain, mut first) = (0u64, 0u64, 0u64, Vec::new());
    for (at, op) in calls {
        count += 1;
        if op.is_error() {
            errors += 1;
            certain += u64::from(op.outcome().error().is_some_and(|kind| !kind.is_explained_by_slowness()));
            if first.len() < MOST_SHOWN {
                first.push(at);
            }
        }
    }
    if count == 0 {
        return None;
    }
    let share = |errors: u64| errors as f64 / count as f64;
    let rate = share(errors);
    let text = format!("{threshold}: {} ({errors} of {})", percent(rate), counted(count, "call", "calls"));
    let result = if rate < threshold.below {
        FigureResult::Holds
    } else {
        let what = format!("{threshold} is broken: {} of calls were not ok", percent(rate));
        FigureResult::Broken { evidence: Evidence::of(what, &first), certain: share(certain) >= threshold.below }
    };
    Some(Figure { text, calls: count, result })
}

fn latency<'a>(
    threshold: &Threshold,
    percentile: f64,
    conditions: &Conditions,
    calls: impl Iterator<Item = (u32, OpRef<'a>)>,
) -> Option<Figure> {
    let mut fastest_us = u64::MAX;
    let timed = calls.filter(|(_, op)| op.counts_for_latency());
    let timed = timed.map(|(at, op)| {
        fastest_us = fastest_us.min(op.service_us());
        (op.latency_us(), at)
    });
    let mut latencies: Vec<(u64, u32)> = timed.collect();
    let value = percentile::of(&mut latencies, percentile)?.0 as f64;
    let calls = latencies.len() as u64;
    let mut text = format!("{threshold}: {}", millis(value));
    let is_slow = |latency: u64| latency as f64 >= threshold.below;
    let slow = latencies.iter().filter(|(latency, _)| is_slow(*latency)).count() as u64;
    let is_measured = calls >= percentile::least_calls(percentile);
    let result = if value >= threshold.below && (is_measured || slow >= percentile::BEYOND) {
        latencies.sort_unstable_by(|one, other| other.cmp(one));
        let shown: Vec<u32> = latencies.iter().take(MOST_SHOWN).map(|(_, at)| *at).collect();
        let what = format!("{threshold} is broken: {} is {}", percentile_name(percentile), millis(value));
        // A busy machine delays calls, but never each of them. If even the fastest call breaks the bound, the stack is slow. Its time counts from
        // the send, because a late driver may be the reason for the rest. A driver without CPU time delays every call.
        let certain = is_slow(fastest_us)
            && fastest_us >= LEAST_CERTAIN_US
            && calls >= percentile::BEYOND
            && !conditions.saturated;
        FigureResult::Broken { evidence: Evidence::of(what, &shown), certain }
    } else if is_measured {
        FigureResult::Holds
    } else {
        let least = percentile::least_calls(percentile);
        text = format!(
            "{threshold}: not measured: {}, and {} needs at least {least}",
            counted(calls, "call", "calls"),
            percentile_name(percentile)
        );
        FigureResult::NotMeasured
    };
    Some(Figure { text, calls, result })
}

/// Returns true if a call says nothing about the error rate: a timeout that a stall of the harness explains.
fn is_left_out(history: &History, op: OpRef<'_>) -> bool {
    history.is_omitted(op) || (is_timeout(op) && history.is_explained_by_stalls(span_of(op), 0))
}

fn is_timeout(op: OpRef<'_>) -> bool {
    op.outcome().error() == Some(&ErrorKind::Timeout)
}
