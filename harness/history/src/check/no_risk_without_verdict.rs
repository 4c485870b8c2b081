//! no-risk-without-verdict: a workflow with a risky action continues only if a verdict allows it. If the guardrails are down, the workflow is
//! blocked, even if other steps have a fallback.

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::History;
use crate::op::WorkflowEnd;
use crate::view::EffectRef;

pub(super) const CHECK: Check = Check {
    name: "no-risk-without-verdict",
    proves: "Every workflow with a high or critical action either stopped, or reports a verdict other than `block`",
    blind_to: &[
        "It relies on the orchestrator for the verdict: a verdict that guardrails never returned, or that had expired, passes.",
        "The verdict `acknowledge` counts as allowed.",
        "The risk is that of the action that the client declares; the actual effects of the workflow are not judged.",
    ],
    evidence: "Answered workflows with a high or critical action.",
    rule: Rule::Standing(judge),
};

/// The verdict after which a workflow must stop.
const BLOCK: &str = "block";

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let mut stopped = 0;
    for (at, op) in history.answered() {
        let EffectRef::Workflow(ended) = op.effect() else { continue };
        if !ended.risky {
            continue;
        }
        finding.judged += 1;
        let why = match (ended.status, ended.verdict) {
            (WorkflowEnd::Blocked | WorkflowEnd::AcknowledgementRequired, _) => {
                stopped += 1;
                continue;
            }
            (WorkflowEnd::Completed | WorkflowEnd::Degraded, Some(BLOCK)) => "although the rules block it",
            (WorkflowEnd::Completed | WorkflowEnd::Degraded, None | Some("")) => "without a verdict",
            (WorkflowEnd::Completed | WorkflowEnd::Degraded, Some(_)) => continue,
        };
        finding.violation(|| format!("a risky workflow went on {why}"), &[at]);
    }
    format!(
        "{}, {stopped} stopped, {} went on without a verdict that allows it",
        counted(finding.judged, "risky workflow", "risky workflows"),
        finding.violations
    )
}
