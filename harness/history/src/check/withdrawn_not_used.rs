//! withdrawn-not-used: a pattern that a changed file does not have any more is not injected, whoever may still remember it.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::{Experiment, FILE_CHANGED, Fault, Promises};
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::op::{Effect, Op, Outcome};
use std::collections::{HashMap, HashSet};

pub(super) const CHECK: Check =
    Check { name: "withdrawn-not-used", about: "a pattern that was withdrawn is not injected", kind: Kind::Asked, run };

/// The service that has patterns.
const PATTERNS: &str = "patterns";

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        judge(history, experiment, promises, judging)
    })
}

fn judge(history: &History, experiment: &Experiment, promises: &Promises, mut judging: Judging) -> Option<Finding> {
    if promises.withdrawn.is_empty() {
        return None;
    }
    let changed = |fault: &&Fault| fault.kind == FILE_CHANGED && fault.target == PATTERNS;
    let changed: Vec<&Fault> = experiment.faults.iter().filter(changed).collect();
    let Some(first) = changed.first() else { return Some(judging.unknown("no pattern was withdrawn")) };
    let ops = || history.ops().iter().enumerate();
    let used: Vec<(u32, &Op, &str)> = ops().filter_map(|(at, op)| Some((at as u32, op, injected(op)?))).collect();
    let mut before: HashMap<&str, u32> = HashMap::new();
    for (at, _, pattern) in used.iter().filter(|(_, op, _)| op.complete_us < first.ordered_us) {
        before.entry(pattern).or_insert(*at);
    }
    let withdrawn: HashSet<&str> = promises.withdrawn.iter().map(String::as_str).collect();
    for pattern in promises.withdrawn.iter().filter(|pattern| !before.contains_key(pattern.as_str())) {
        judging.doubt(Evidence::of(format!("`{pattern}` was not injected before it was withdrawn"), &[]));
    }
    for fault in &changed {
        let due_us = fault.active_us + promises.in_force_us.unwrap_or_default();
        let until_us = fault.ending_us.or(fault.healed_us).unwrap_or(u64::MAX);
        let due = used.iter().filter(|(_, op, _)| op.invoke_us >= due_us && op.invoke_us < until_us);
        for (at, op, pattern) in due {
            judging.judged += 1;
            if withdrawn.contains(pattern) {
                let after = (op.invoke_us - fault.active_us) as f64 / 1e6;
                let ops: Vec<u32> = before.get(pattern).copied().into_iter().chain([*at]).collect();
                judging.violation(|| format!("`{pattern}` was injected {after:.1} s after it was withdrawn"), &ops);
            }
        }
    }
    let summary = format!(
        "{}, {} of what was withdrawn",
        counted(judging.judged, "injection since", "injections since"),
        judging.violations
    );
    Some(judging.finding(summary))
}

/// The pattern that a call injected.
fn injected(op: &Op) -> Option<&str> {
    match &op.effect {
        _ if op.outcome != Outcome::Ok => None,
        Effect::Inject { pattern, .. } => Some(pattern),
        Effect::Workflow(ended) if ended.injected.is_some() => ended.pattern.as_deref(),
        _ => None,
    }
}
