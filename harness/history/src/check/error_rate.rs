//! error-rate: the share of measured calls that were not ok stays below its thresholds.

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::history::History;
use crate::threshold::Metric;

pub(super) const CHECK: Check = Check {
    name: "error-rate",
    proves: "The share of measured calls that did not end `ok` is below each threshold",
    blind_to: &[
        "It is a share of the whole measured phase: a short total outage changes it only a little.",
        "In a closed loop clients send nothing while they wait for replies, so an outage causes only a few errors.",
        "A call that ends `ok` with a wrong reply does not count as an error.",
        "Timeouts that a stall of the harness explains are not counted: the stall, with its time to settle, is at least half of the wait.",
        "It does not distinguish errors: refusals by quota count like failures.",
    ],
    evidence: "Calls of the measured phase.",
    rule: Rule::TimedBound(judge),
};

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    let thresholds = criteria.thresholds.iter().filter(|threshold| threshold.metric == Metric::ErrorRate);
    finding.thresholds(thresholds, history, || history.calls())
}
