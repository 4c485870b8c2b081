//! latency: the percentiles of measured calls stay below their thresholds. In the open model a latency counts from the planned start, so that
//! the wait for a stalled server counts.

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::history::History;
use crate::threshold::Metric;

pub(super) const CHECK: Check = Check {
    name: "latency",
    proves: "Each percentile of the latency of measured calls that has a threshold is below it (nearest rank)",
    blind_to: &[
        "In a closed loop a percentile hides an outage: while nothing answers nothing is sent, and a freeze of seconds is one slow call for each user.",
        "Calls that failed count with the time that they took, so that fast refusals pull a percentile down. Only calls that found no connection are left out.",
        "A percentile of few calls is judged all the same: below 100 calls the 99th percentile is the slowest call.",
        "Time lost in a stalled or overloaded harness counts as latency of the stack.",
    ],
    evidence: "Calls of the measured phase that were sent.",
    rule: Rule::Criteria(judge),
};

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    let thresholds =
        criteria.thresholds.iter().filter(|threshold| matches!(threshold.metric, Metric::LatencyPercentile(_)));
    finding.thresholds(thresholds, || history.calls())
}
