//! expectations-held: every expectation of a scenario, or of an experiment, was met. One that could not be evaluated is open, and a run
//! without any proves nothing.

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::expectation::Expectation;
use crate::experiment::Span;
use crate::finding::Evidence;
use crate::history::History;
use crate::verdict::Verdict;

/// Longest time that an expectation with a deadline waits. After it, a scenario expects what many probes did not observe without a deadline.
const LONGEST_WAIT_US: u64 = 10_000_000;

pub(super) const CHECK: Check = Check {
    name: "expectations-held",
    proves: "Every expectation of the scenario or experiment was evaluated and met",
    blind_to: &[
        "It judges only what the scenario or experiment checks, and only at the time of the check.",
        "If an expectation with a deadline is not met, and other processes used the machine in the ten seconds before or the harness stalled for more than a tenth of that time, it is not counted as a violation.",
        "A scenario makes most of its calls one after the other: it does not show what happens under load.",
    ],
    evidence: "The expectations that the scenario or experiment recorded, each with its verdict.",
    rule: Rule::Bound(judge),
};

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    let expectations = criteria.expectations.as_ref()?;
    for expectation in expectations {
        let evidence = || Evidence {
            what: format!("{}: {}", expectation.expected, expectation.seen),
            ops: expectation.ops.clone(),
        };
        match expectation.verdict {
            Verdict::Pass => finding.judged += 1,
            Verdict::Fail => {
                if expectation.timed && is_disturbed(history, expectation) {
                    finding.doubt_with(evidence());
                    continue;
                }
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
    let is_violation = |expectation: &&Expectation| {
        expectation.verdict == Verdict::Fail && !(expectation.timed && is_disturbed(history, expectation))
    };
    if let Some(first) = expectations.iter().find(is_violation) {
        let which = if finding.violations > 1 { "the first: " } else { "" };
        summary.push_str(&format!(", {} not met: {which}{}", finding.violations, first.expected));
    }
    if finding.open > 0 {
        summary.push_str(&format!("; {} could not be evaluated", finding.open));
    }
    Some(summary)
}

/// Returns true if something disturbed the stack while the expectation was waited for. A scenario makes few calls while it waits, so that the share of
/// disturbed calls does not show it.
fn is_disturbed(history: &History, expectation: &Expectation) -> bool {
    let first_us = expectation.ops.iter().filter_map(|at| history.get(*at)).map(|op| op.invoke_us()).min();
    let since_us = expectation.at_us.saturating_sub(LONGEST_WAIT_US);
    let waited = Span { from_us: first_us.unwrap_or_default().max(since_us), until_us: expectation.at_us };
    history.is_disturbed(waited)
}
