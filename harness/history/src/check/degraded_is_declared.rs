//! degraded-is-declared: a workflow in which something was missing says so, with a reason. What was missing is known from the workflow's own
//! steps, and from the outages that the harness made itself.

use super::outage::{Outage, outages};
use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::History;
use crate::op::{Effect, Op, Outcome, Workflow, WorkflowEnd};

pub(super) const CHECK: Check = Check {
    name: "degraded-is-declared",
    about: "a workflow that misses something says so, with the reason",
    kind: Kind::Standing,
    run,
};

/// Service, and the reason that its absence must be declared with.
const REASONS: [(&str, &str); 3] =
    [("guardrails", "guardrail_unavailable"), ("memory", "memory_unavailable"), ("patterns", "patterns_unavailable")];

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    let outages = outages(history);
    let mut judging = Judging::new(CHECK.name);
    let mut degraded = 0;
    for (at, op) in history.ops().iter().enumerate() {
        let (Effect::Workflow(ended), Outcome::Ok) = (&op.effect, &op.outcome) else { continue };
        let at = at as u32;
        judging.judged += 1;
        degraded += u64::from(ended.status == WorkflowEnd::Degraded);
        if let Some(why) = undeclared(ended) {
            judging.violation(|| why, &[at]);
        } else if let Some((service, since)) = missed(op, ended, &outages) {
            judging.violation(|| format!("`{service}` was down and the workflow does not say so"), &[since, at]);
        }
    }
    let summary = format!(
        "{}, {degraded} degraded, {} without saying what was missing",
        counted(judging.judged, "workflow", "workflows"),
        judging.violations
    );
    Some(judging.finding(summary))
}

/// What a workflow's own steps say and its status does not.
fn undeclared(ended: &Workflow) -> Option<String> {
    let reasons = ended.reasons.join(", ");
    match ended.status {
        WorkflowEnd::Completed if !ended.fallbacks.is_empty() => {
            Some(format!("`completed` although {} did not go as it should", ended.fallbacks.join(", ")))
        }
        WorkflowEnd::Completed if !ended.reasons.is_empty() => Some(format!("`completed` with reasons: {reasons}")),
        WorkflowEnd::Degraded | WorkflowEnd::Blocked if ended.reasons.is_empty() => {
            Some("degraded or blocked without a reason".to_owned())
        }
        WorkflowEnd::Completed
        | WorkflowEnd::Degraded
        | WorkflowEnd::Blocked
        | WorkflowEnd::AcknowledgementRequired => {
            let unasked = ended.reasons.iter().any(|reason| **reason == *"guardrail_unavailable");
            (unasked && ended.injected.is_some())
                .then(|| "a pattern was injected although nobody could ask the guardrails".to_owned())
        }
    }
}

/// An outage of the harness's own making that covered the whole workflow and is not among its reasons.
fn missed<'a>(op: &Op, ended: &Workflow, outages: &[Outage<'a>]) -> Option<(&'a str, u32)> {
    let declared = |reason: &str| ended.reasons.iter().any(|have| **have == *reason);
    // A workflow that was stopped at its first step never came to the others.
    let stopped = matches!(ended.status, WorkflowEnd::Blocked | WorkflowEnd::AcknowledgementRequired);
    let undeclared = |outage: &&Outage<'_>| {
        let reason = REASONS.iter().find(|(name, _)| *name == outage.service).map(|(_, reason)| *reason);
        let never_reached = match outage.service {
            "guardrails" => false,
            "patterns" => stopped || declared("guardrail_unavailable"),
            _ => stopped,
        };
        !never_reached && reason.is_some_and(|reason| !declared(reason))
    };
    let covering = outages.iter().filter(|outage| outage.covers(op));
    covering.filter(undeclared).map(|outage| (outage.service, outage.since)).next()
}
