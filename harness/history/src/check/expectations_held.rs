//! expectations-held: every expectation of a scenario, or of an experiment, was met. One that could not be evaluated is open, and a run
//! without any proves nothing.

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::finding::Evidence;
use crate::history::History;
use crate::verdict::Verdict;

pub(super) const CHECK: Check = Check {
    name: "expectations-held",
    proves: "Every expectation of the scenario or experiment was evaluated and met",
    blind_to: &[
        "It judges only what the scenario or experiment checks, and only at the time of the check.",
        "If an expectation with a deadline is not met while other processes use the machine or the harness stalls, it is not counted as a violation.",
        "A scenario makes most of its calls one after the other: it does not show what happens under load.",
    ],
    evidence: "The expectations that the scenario or experiment recorded, each with its verdict.",
    rule: Rule::Bound(judge),
};

fn judge(_history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    let expectations = criteria.expectations.as_ref()?;
    for expectation in expectations {
        let evidence = || Evidence {
            what: format!("{}: {}", expectation.expected, expectation.seen),
            ops: expectation.ops.clone(),
        };
        match expectation.verdict {
            Verdict::Pass => finding.judged += 1,
            Verdict::Fail => {
                finding.judged += 1;
                if expectation.timed {
                    finding.violation_with(evidence);
                } else {
                    finding.certain_violation_with(evidence);
                }
            }
            Verdict::Unknown => finding.doubt_with(evidence()),
        }
    }
    let mut summary = match finding.judged + finding.open {
        0 => "the run evaluated no expectation".to_owned(),
        all => format!("{}, {} met", counted(all, "expectation", "expectations"), finding.judged - finding.violations),
    };
    if let Some(first) = expectations.iter().find(|expectation| expectation.verdict == Verdict::Fail) {
        let which = if finding.violations > 1 { "the first: " } else { "" };
        summary.push_str(&format!(", {} not met: {which}{}", finding.violations, first.expected));
    }
    if finding.open > 0 {
        summary.push_str(&format!("; {} could not be evaluated", finding.open));
    }
    Some(summary)
}
