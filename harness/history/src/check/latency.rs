//! latency: the percentiles of measured calls stay below their thresholds. In the open model a latency counts from the planned start, so that
//! the wait for a stalled server counts.

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::history::History;
use crate::threshold::Metric;

pub(super) const CHECK: Check = Check {
    name: "latency",
    proves: "Each percentile of the latency of good calls of the measured phase that has a threshold is below it (nearest rank). If a load has arrivals beside its closed users, only the calls of the arrivals are judged",
    blind_to: &[
        "In a closed loop a percentile hides an outage: users send nothing while they wait for replies, so a freeze of several seconds is one slow call for each user.",
        "Only successful calls count, and calls that the client gave up at its deadline, with the time until then. Calls with any other error are judged only by `error-rate`, however long they took.",
        "A percentile needs ten calls beyond it (the 99th: 1,000 calls, the 95th: 200); with fewer it is not measured, unless ten calls were too slow. The maximum needs one.",
        "A call that overlaps a stall of the harness, or the time right after it, is judged only if it took longer than the bound and twice the stall.",
        "A bound that is broken only while other processes use the machine is unknown, unless every call breaks it.",
    ],
    evidence: "Enough calls of the measured phase that ended well or timed out.",
    rule: Rule::TimedBound(judge),
};

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    let thresholds =
        criteria.thresholds.iter().filter(|threshold| matches!(threshold.metric, Metric::LatencyPercentile(_)));
    finding.thresholds(thresholds, history, || history.timed_calls())
}
