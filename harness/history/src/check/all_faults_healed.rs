//! all-faults-healed: every fault is removed when the run is over, and none was gone before it was ordered to end.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;
use crate::threshold::millis;

pub(super) const CHECK: Check = Check {
    name: "all-faults-healed",
    proves: "Every fault was removed by the end of the run, and none was gone before it was ordered to end",
    blind_to: &[
        "It trusts the injector, which confirms that a fault is gone; it does not look at the stack itself.",
        "It does not see what a fault left behind, such as a full queue or a damaged file.",
    ],
    evidence: "At least one fault, with the times at which it was ordered to end and was gone.",
    rule: Rule::Experiment(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    if run.experiment.faults.is_empty() {
        return Some(finding.unknown("no fault was injected"));
    }
    for fault in &run.experiment.faults {
        finding.judged += 1;
        match (fault.healed_us, fault.ending_us) {
            (None, _) => finding.violation(|| format!("`{}` was never removed", fault.name), &[]),
            (Some(healed_us), Some(ending_us)) if healed_us < ending_us => {
                let early = millis((ending_us - healed_us) as f64);
                finding.violation(|| format!("`{}` was gone {early} before it was ordered to end", fault.name), &[]);
            }
            (Some(_), _) => {}
        }
    }
    let removed = finding.judged - finding.violations;
    Some(format!("{}, {removed} removed on time", counted(finding.judged, "fault", "faults")))
}
