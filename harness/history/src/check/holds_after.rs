//! holds-after: the thresholds for the time after the fault hold for the calls sent once the stack was steady again. `recovery` judges how long
//! that took.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::experiment::Span;
use crate::recovery::recovery;

pub(super) const CHECK: Check = Check {
    name: "holds-after",
    proves: "Once the stack was steady again after the fault, the thresholds for the time after it hold until the load ended",
    blind_to: &[
        "It begins where the stack was steady again: what happened between the end of the fault and that moment is not judged here.",
        "It has the blind spots of `error-rate` and `latency`.",
    ],
    evidence: "A load after the fault in which the stack was steady again.",
    rule: Rule::ExperimentTimedBound(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let thresholds = &run.promises.after;
    if thresholds.is_empty() {
        return None;
    }
    let steady_us = recovery(run.history, run.experiment).steady_us;
    let Some((afterwards, steady_us)) = run.experiment.afterwards().zip(steady_us) else {
        return Some(finding.unknown("the stack was not steady again before the load ended"));
    };
    let steady = Span { from_us: afterwards.from_us + steady_us, ..afterwards };
    finding.thresholds(thresholds.iter(), run.history, || run.history.calls_in(steady))
}
