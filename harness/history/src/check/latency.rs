//! latency: the percentiles of measured calls stay below their thresholds. In the open model a latency counts from the planned start,
//! so that a call that had to wait for a stalled server is not forgiven.

use super::{Check, Criteria, Judging, Kind};
use crate::finding::Finding;
use crate::history::History;
use crate::threshold::Metric;

pub(super) const CHECK: Check = Check {
    name: "latency",
    about: "the latency percentiles of measured calls stay below their thresholds",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    let asked = criteria.thresholds.iter().filter(|threshold| matches!(threshold.metric, Metric::LatencyPercentile(_)));
    let mut judging = Judging::new(CHECK.name);
    let told: Vec<String> = asked.map(|threshold| judging.hold(threshold, history.calls())).collect();
    (!told.is_empty()).then(|| judging.finding(told.join("; ")))
}
