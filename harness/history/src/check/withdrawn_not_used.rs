//! withdrawn-not-used: a pattern that a changed file no longer contains is not injected, even if a service still has it in a cache.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;
use crate::experiment::{Fault, Span};
use crate::finding::Evidence;
use crate::view::{EffectRef, OpRef};
use std::collections::{HashMap, HashSet};

pub(super) const CHECK: Check = Check {
    name: "withdrawn-not-used",
    proves: "No pattern that the changed file withdrew was injected after the promised time, until the file was restored",
    blind_to: &[
        "It follows ids: the text of a withdrawn pattern under another id passes.",
        "A withdrawn pattern may still be recommended or listed.",
        "A workflow that injects without naming the pattern is not judged.",
        "If other processes use the machine, or the harness stalls, an injection after the promised time is unknown until three times this time is over.",
    ],
    evidence: "A fault that changes the patterns, injections of each withdrawn pattern before it, and at least one injection after the promised time.",
    rule: Rule::Experiment(judge),
};

/// Number of promised times after which neither a busy machine nor a stall explains that the old file is still in use.
const CERTAIN_TIMES: u64 = 3;
/// Name of the patterns service.
const PATTERNS: &str = "patterns";

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let promises = run.promises;
    if promises.withdrawn.is_empty() {
        return None;
    }
    let changes: Vec<&Fault> = run.experiment.file_changes(PATTERNS).collect();
    let Some(first) = changes.first() else { return Some(finding.unknown("no pattern was withdrawn")) };
    let injections: Vec<(u32, OpRef<'_>, &str)> =
        run.history.answered().filter_map(|(at, op)| Some((at, op, injected(op)?))).collect();
    let mut before: HashMap<&str, u32> = HashMap::new();
    for (at, _, pattern) in injections.iter().filter(|(_, op, _)| op.complete_us() < first.ordered_us) {
        before.entry(pattern).or_insert(*at);
    }
    let withdrawn: HashSet<&str> = promises.withdrawn.iter().map(String::as_str).collect();
    for pattern in promises.withdrawn.iter().filter(|pattern| !before.contains_key(pattern.as_str())) {
        finding.doubt(format!("`{pattern}` was not injected before it was withdrawn"));
    }
    let in_force_us = promises.in_force_us.unwrap_or_default();
    for fault in &changes {
        let (due_us, until_us) = (fault.active_us + in_force_us, fault.until_us());
        let due = injections.iter().filter(|(_, op, _)| op.invoke_us() >= due_us && op.invoke_us() < until_us);
        for (at, op, pattern) in due {
            finding.judged += 1;
            if withdrawn.contains(pattern) {
                let after = (op.invoke_us() - fault.active_us) as f64 / 1e6;
                let ops: Vec<u32> = before.get(pattern).copied().into_iter().chain([*at]).collect();
                let what = || format!("`{pattern}` was injected {after:.1} s after it was withdrawn");
                let since = Span { from_us: fault.active_us, until_us: op.invoke_us() };
                if since.length_us() < in_force_us.saturating_mul(CERTAIN_TIMES) && run.history.is_disturbed(since) {
                    finding.doubt_with(Evidence::of(what(), &ops));
                } else {
                    finding.violation(what, &ops);
                }
            }
        }
    }
    let injections = counted(finding.judged, "injection", "injections");
    Some(format!("{injections} after patterns were withdrawn, {} of a withdrawn one", finding.violations))
}

/// Returns the pattern that a call injected.
fn injected(op: OpRef<'_>) -> Option<&str> {
    match op.effect() {
        EffectRef::Inject { pattern, .. } => Some(pattern),
        EffectRef::Workflow(ended) if ended.injected.is_some() => ended.pattern,
        _ => None,
    }
}
