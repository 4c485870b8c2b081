//! error-rate: the share of measured calls that were not ok stays below its thresholds.

use super::{Check, Criteria, Judging, Kind};
use crate::finding::Finding;
use crate::history::History;
use crate::threshold::Metric;

pub(super) const CHECK: Check = Check {
    name: "error-rate",
    about: "the share of measured calls that are not ok stays below its thresholds",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    let asked = criteria.thresholds.iter().filter(|threshold| threshold.metric == Metric::ErrorRate);
    let mut judging = Judging::new(CHECK.name);
    let told: Vec<String> = asked.map(|threshold| judging.hold(threshold, history.calls())).collect();
    (!told.is_empty()).then(|| judging.finding(told.join("; ")))
}
