//! all-faults-healed: every fault is gone when the run is over, and none was gone before it was ordered to end.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::Experiment;
use crate::finding::Finding;
use crate::history::History;
use crate::threshold::millis;

pub(super) const CHECK: Check = Check {
    name: "all-faults-healed",
    about: "every fault was taken back, and none ended before its time",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, _, judging| Some(judge(experiment, judging)))
}

fn judge(experiment: &Experiment, mut judging: Judging) -> Finding {
    if experiment.faults.is_empty() {
        return judging.unknown("no fault was injected");
    }
    for fault in &experiment.faults {
        judging.judged += 1;
        match (fault.healed_us, fault.ending_us) {
            (None, _) => judging.violation(|| format!("`{}` was never taken back", fault.name), &[]),
            (Some(healed), Some(ending)) if healed < ending => {
                let early = millis((ending - healed) as f64);
                judging.violation(|| format!("`{}` was gone {early} before it was ordered to end", fault.name), &[]);
            }
            (Some(_), _) => {}
        }
    }
    let good = judging.judged - judging.violations;
    let summary = format!("{}, {good} taken back when they were to end", counted(judging.judged, "fault", "faults"));
    judging.finding(summary)
}
