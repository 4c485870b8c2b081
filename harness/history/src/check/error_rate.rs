//! error-rate: the share of measured calls that were not ok stays below its thresholds.

use super::{Check, Criteria, Judging, Kind};
use crate::finding::Finding;
use crate::history::History;
use crate::op::Outcome;
use crate::threshold::{Metric, percent};

pub(super) const CHECK: Check = Check {
    name: "error-rate",
    about: "the share of measured calls that are not ok stays below its thresholds",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    let thresholds: Vec<_> =
        criteria.thresholds.iter().filter(|threshold| threshold.metric == Metric::ErrorRate).collect();
    if thresholds.is_empty() {
        return None;
    }
    let mut judging = Judging::new(CHECK.name);
    let mut told = Vec::new();
    for threshold in thresholds {
        let (mut calls, mut errors, mut first) = (0u64, 0u64, Vec::new());
        for (at, op) in history.ops().iter().enumerate() {
            let asked = threshold.operation.as_ref().is_none_or(|operation| **operation == *op.name);
            if op.phase != crate::op::Phase::Measured || !asked {
                continue;
            }
            calls += 1;
            if op.outcome != Outcome::Ok {
                errors += 1;
                if first.len() < 3 {
                    first.push(at as u32);
                }
            }
        }
        if calls == 0 {
            judging.open += 1;
            told.push(format!("{threshold}: no such call"));
            continue;
        }
        judging.judged += calls;
        let rate = errors as f64 / calls as f64;
        told.push(format!("{threshold}: {} ({errors} of {calls} calls)", percent(rate)));
        if rate >= threshold.below {
            judging.violation(|| format!("{threshold} is broken: {} of calls were not ok", percent(rate)), &first);
        }
    }
    Some(judging.finding(told.join("; ")))
}
