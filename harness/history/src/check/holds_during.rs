//! holds-during: what was promised for the time of the fault holds of the calls that were sent then.

use super::{Check, Criteria, Kind, of_experiment};
use crate::finding::Finding;
use crate::history::History;

pub(super) const CHECK: Check =
    Check { name: "holds-during", about: "the thresholds for the time of the fault hold", kind: Kind::Asked, run };

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, mut judging| {
        if promises.during.is_empty() {
            return None;
        }
        let Some(fault) = experiment.fault else { return Some(judging.unknown("there was no fault")) };
        let asked = promises.during.iter();
        let told: Vec<String> = asked.map(|threshold| judging.hold(threshold, history.calls_in(fault))).collect();
        Some(judging.finding(told.join("; ")))
    })
}
