//! degraded-is-declared: a workflow that ran without one of its services reports it, with the reason. The steps of the workflow and the outages that
//! the harness caused show which service was missing.

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::History;
use crate::op::WorkflowEnd;
use crate::outage::{Outage, outages};
use crate::view::{EffectRef, OpRef, WorkflowRef};

pub(super) const CHECK: Check = Check {
    name: "degraded-is-declared",
    proves: "No workflow reports `completed` although one of its steps fell back or failed, or although it ran completely within an outage of a service that it needs",
    blind_to: &[
        "An outage counts only if the harness stopped every instance of the service: a slow, broken or partly unavailable service does not count.",
        "A workflow that lies only partly within an outage is judged by its own steps alone.",
        "A step that hides its own failure is not seen.",
    ],
    evidence: "Answered workflows, and the outages that the harness recorded.",
    rule: Rule::Standing(judge),
};

/// Each service, and the reason that a workflow without it must declare.
const REASONS: [(&str, &str); 3] =
    [("guardrails", "guardrail_unavailable"), ("memory", "memory_unavailable"), ("patterns", "patterns_unavailable")];

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let outages = outages(history);
    let mut degraded = 0;
    for (at, op) in history.answered() {
        let EffectRef::Workflow(ended) = op.effect() else { continue };
        finding.judged += 1;
        degraded += u64::from(ended.status == WorkflowEnd::Degraded);
        if let Some(why) = contradiction(&ended) {
            finding.violation(|| why, &[at]);
        } else if let Some(outage) = undeclared_outage(op, &ended, &outages) {
            let what = || format!("`{}` was down, and the workflow does not declare it", outage.service);
            finding.violation(what, &[outage.since, at]);
        }
    }
    format!(
        "{}, {degraded} degraded, {} did not declare what was missing",
        counted(finding.judged, "workflow", "workflows"),
        finding.violations
    )
}

/// Returns how the status of a workflow contradicts its own steps and reasons.
fn contradiction(ended: &WorkflowRef<'_>) -> Option<String> {
    let reasons = ended.reasons.joined();
    match ended.status {
        WorkflowEnd::Completed if !ended.fallbacks.is_empty() => {
            Some(format!("`completed` although these steps fell back or failed: {}", ended.fallbacks.joined()))
        }
        WorkflowEnd::Completed if !ended.reasons.is_empty() => {
            Some(format!("`completed` although it has reasons to be degraded: {reasons}"))
        }
        WorkflowEnd::Degraded | WorkflowEnd::Blocked if ended.reasons.is_empty() => {
            Some("degraded or blocked without a reason".to_owned())
        }
        WorkflowEnd::Completed
        | WorkflowEnd::Degraded
        | WorkflowEnd::Blocked
        | WorkflowEnd::AcknowledgementRequired => (declares(ended, "guardrail_unavailable")
            && ended.injected.is_some())
        .then(|| "a pattern was injected although the guardrails were down".to_owned()),
    }
}

fn declares(ended: &WorkflowRef<'_>, reason: &str) -> bool {
    ended.reasons.contains(reason)
}

/// Returns an outage that covered the whole workflow and that the workflow does not declare.
fn undeclared_outage<'a, 'h>(
    op: OpRef<'_>,
    ended: &WorkflowRef<'_>,
    outages: &'a [Outage<'h>],
) -> Option<&'a Outage<'h>> {
    // A workflow that stopped at its first step did not reach the others.
    let stopped = matches!(ended.status, WorkflowEnd::Blocked | WorkflowEnd::AcknowledgementRequired);
    let is_undeclared = |outage: &&Outage<'_>| {
        let reason = REASONS.iter().find(|(name, _)| *name == outage.service).map(|(_, reason)| *reason);
        let was_reached = match outage.service {
            "guardrails" => true,
            "patterns" => !stopped && !declares(ended, "guardrail_unavailable"),
            _ => !stopped,
        };
        was_reached && reason.is_some_and(|reason| !declares(ended, reason))
    };
    outages.iter().filter(|outage| outage.covers(op)).find(is_undeclared)
}
