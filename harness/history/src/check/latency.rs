//! latency: the percentiles of measured calls stay below their thresholds. In the open model a latency counts from the planned start,
//! so that a call that had to wait for a stalled server is not forgiven.

use super::{Check, Criteria, Judging, Kind};
use crate::finding::Finding;
use crate::history::History;
use crate::op::{ErrorKind, Op, Outcome};
use crate::threshold::{Metric, millis};

pub(super) const CHECK: Check = Check {
    name: "latency",
    about: "the latency percentiles of measured calls stay below their thresholds",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    let asked: Vec<_> = criteria
        .thresholds
        .iter()
        .filter_map(|threshold| match threshold.metric {
            Metric::LatencyPercentile(percentile) => Some((threshold, percentile)),
            Metric::ErrorRate => None,
        })
        .collect();
    if asked.is_empty() {
        return None;
    }
    let mut judging = Judging::new(CHECK.name);
    let mut told = Vec::new();
    for (threshold, percentile) in asked {
        let measured = history.measured().filter(|op| counts(op));
        let named = measured.filter(|op| threshold.operation.as_ref().is_none_or(|operation| **operation == *op.name));
        let mut latencies: Vec<u64> = named.map(Op::latency_us).collect();
        let Some(value) = percentile_of(&mut latencies, percentile) else {
            judging.open += 1;
            told.push(format!("{threshold}: no such call"));
            continue;
        };
        judging.judged += latencies.len() as u64;
        told.push(format!("{threshold}: {}", millis(value as f64)));
        if value as f64 >= threshold.below {
            judging.violation(|| format!("{threshold} is broken: p{percentile} is {}", millis(value as f64)), &[]);
        }
    }
    Some(judging.finding(told.join("; ")))
}

/// A call that was never sent has no latency; one that timed out has at least that much.
fn counts(op: &Op) -> bool {
    !matches!(&op.outcome, Outcome::Failed(ErrorKind::Connect))
}

/// Nearest rank: the smallest value that at least `percentile` percent of the values do not exceed.
fn percentile_of(values: &mut [u64], percentile: f64) -> Option<u64> {
    if values.is_empty() {
        return None;
    }
    let rank = (percentile / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
    let index = rank.min(values.len()) - 1;
    Some(*values.select_nth_unstable(index).1)
}
