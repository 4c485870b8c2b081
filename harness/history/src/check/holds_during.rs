//! holds-during: the thresholds for the time of the fault hold for the calls sent then.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};

pub(super) const CHECK: Check = Check {
    name: "holds-during",
    proves: "The thresholds for the time of the fault hold for the calls sent from the order to inject the first fault until the last one was gone",
    blind_to: &[
        "The span includes the time that it took to inject and remove the faults: for a short fault, the calls of that time hide part of its effect.",
        "It has the blind spots of `error-rate` and `latency`.",
    ],
    evidence: "The span of the fault, and calls sent in it.",
    rule: Rule::ExperimentTimedBound(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let thresholds = &run.promises.during;
    match run.experiment.fault {
        _ if thresholds.is_empty() => None,
        None => Some(finding.unknown("there was no fault")),
        Some(fault) => finding.thresholds(thresholds.iter(), run.history, || run.history.calls_in(fault)),
    }
}
