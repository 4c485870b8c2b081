//! steady-state: before the fault the stack answered the planned load, and no fallback replaced a service. If it did not, no error during the fault can be attributed to the fault, so
//! the experiment proves nothing and the check is unknown (decision 0015). It never fails.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::figure::{Figure, FigureResult};
use crate::recovery::is_degraded;
use crate::threshold::percent;

pub(super) const CHECK: Check = Check {
    name: "steady-state",
    proves: "Before the fault, the planned share of the load was sent and answered by every service that takes part, and the thresholds for that time held",
    blind_to: &[
        "It uses averages and percentiles of the whole steady phase: a short stall in it is hidden by them.",
        "Organisations whose last call was refused by quota, and calls that follow from another call, are not counted.",
    ],
    evidence: "The span of the load before the fault, and the calls sent in it. It reports *unknown* and never a violation: without a steady state the experiment proves nothing.",
    rule: Rule::Experiment(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let (history, promises) = (run.history, run.promises);
    let Some(steady) = run.experiment.steady else {
        return Some(finding.unknown("there was no load before the fault"));
    };
    let (mut sent, mut ok) = (0u64, 0u64);
    for (_, op) in history.load_in(steady) {
        sent += 1;
        ok += u64::from(!op.is_error() && !is_degraded(op));
    }
    finding.judged = sent;
    let planned = promises.rate_per_second * steady.length_us() as f64 / 1e6;
    let share = if planned > 0.0 { ok as f64 / planned } else { 0.0 };
    let mut summary = vec![format!(
        "before the fault {planned:.0} calls were planned, {sent} sent and {ok} ok ({}, at least {} required)",
        percent(share),
        percent(promises.least_baseline)
    )];
    if planned <= 0.0 || share < promises.least_baseline {
        finding.doubt("the load before the fault was not the planned one");
    }
    for threshold in &promises.steady {
        match Figure::of(threshold, history, history.calls_in(steady)) {
            None => finding.doubt(format!("{threshold}: there was no such call before the fault")),
            Some(figure) => {
                summary.push(figure.text.clone());
                match figure.result {
                    FigureResult::Holds => {}
                    FigureResult::Broken { evidence, .. } => finding.doubt_with(evidence),
                    FigureResult::NotMeasured => finding.doubt(figure.text.clone()),
                }
            }
        }
    }
    Some(summary.join("; "))
}
