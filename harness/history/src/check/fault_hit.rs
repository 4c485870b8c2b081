//! fault-hit: every fault hit the load. If a fault hit too few requests, or its hits could not be counted, the experiment proves nothing and the
//! finding is unknown (decision 0015). The check never fails.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;
use crate::experiment::{EdgeRecord, Experiment, Fault};

pub(super) const CHECK: Check = Check {
    name: "fault-hit",
    proves: "Every fault was injected, and at least the required number of requests met it",
    blind_to: &[
        "The hits of an injection are counted from its start to its end, or to the next injection of the same fault. If two different faults act on one part at the same time, the same requests count for both.",
        "A request that passed while the fault was in place counts as a hit, even if the fault did not change its result.",
        "It does not see how strong a fault was, such as how much latency it really added.",
    ],
    evidence: "The faults of the experiment with their number of hits, and the traffic counted between parts. It reports *unknown* and never a violation: a fault that hit nothing proves nothing.",
    rule: Rule::Experiment(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let (experiment, mut summary) = (run.experiment, Vec::new());
    if let Some(why) = &experiment.aborted {
        summary.push(format!("the experiment ended early: {why}"));
        finding.doubt(format!("the experiment ended early: {why}"));
    }
    if experiment.faults.is_empty() {
        summary.push("no fault was injected".to_owned());
    }
    for fault in &experiment.faults {
        finding.judged += 1;
        match hits(fault, experiment, run.promises.least_hits) {
            Ok(hits) => summary.push(hits),
            Err(why) => {
                summary.push(why.clone());
                finding.doubt(why);
            }
        }
    }
    Some(summary.join("; "))
}

/// Returns a text with the number of hits of a fault. The error is the reason why the fault proves nothing. At least one hit is required, even if the
/// experiment requires none.
fn hits(fault: &Fault, experiment: &Experiment, least: u64) -> Result<String, String> {
    let (name, least) = (&fault.name, least.max(1));
    let by = if fault.counted_by.is_empty() { String::new() } else { format!(", counted by {}", fault.counted_by) };
    match fault.hits {
        Some(hits) if hits >= least => Ok(format!("`{name}` hit {}{by}", counted(hits, "request", "requests"))),
        _ if had_no_traffic(fault, experiment) => {
            Err(format!("no request passed `{}` while `{name}` was in place", fault.target))
        }
        Some(hits) => {
            Err(format!("`{name}` hit {}{by}, at least {least} required", counted(hits, "request", "requests")))
        }
        None => Err(format!("the hits of `{name}` could not be counted")),
    }
}

/// Returns true if the traffic to the target of a fault was counted while the fault was in place and was zero. The target is one way between two
/// parts, or a part; then every counted way to the part must have been without traffic.
fn had_no_traffic(fault: &Fault, experiment: &Experiment) -> bool {
    let until_us = fault.until_us();
    let is_target = |way: &&EdgeRecord| {
        let is_named = way.to == fault.target || way.name() == fault.target;
        is_named && way.span.from_us < until_us && way.span.until_us > fault.active_us
    };
    let mut ways = experiment.ways.iter().filter(is_target).peekable();
    ways.peek().is_some() && ways.all(|way| way.requests == 0 && way.connects == 0)
}
