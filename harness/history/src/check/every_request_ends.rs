//! every-request-ends: no call took longer than the experiment allows, however it ended. The time counts from the send, so that the wait for a
//! free user is not part of it.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;
use crate::experiment::Span;
use crate::threshold::millis;
use crate::view::OpRef;

pub(super) const CHECK: Check = Check {
    name: "every-request-ends",
    proves: "Every call was answered, refused or given up within the bound of the experiment",
    blind_to: &[
        "A bound above the client's own deadline cannot be broken by the stack: the client gives up first. It then proves only that the client works.",
        "A call that the load did not send, because its user was still waiting, is not judged.",
        "A call that overlaps a stall of the harness is judged only if it took longer than the bound and twice the stall.",
    ],
    evidence: "Calls of the experiment.",
    rule: Rule::ExperimentTimedBound(judge),
};

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let (bound_us, mut longest_us) = (run.promises.call_bound_us, 0);
    let is_explained = |op: OpRef<'_>| {
        let span = Span { from_us: op.invoke_us(), until_us: op.complete_us() };
        run.history.is_explained_by_stalls(span, bound_us)
    };
    for (at, op) in run.history.calls().filter(|(_, op)| !is_explained(*op)) {
        finding.judged += 1;
        let took_us = op.service_us();
        longest_us = longest_us.max(took_us);
        if took_us > bound_us {
            finding.violation(|| format!("`{}` took {}", op.name(), millis(took_us as f64)), &[at]);
        }
    }
    Some(format!(
        "{}, the longest took {}, {} longer than {}",
        counted(finding.judged, "call", "calls"),
        millis(longest_us as f64),
        finding.violations,
        millis(bound_us as f64)
    ))
}
