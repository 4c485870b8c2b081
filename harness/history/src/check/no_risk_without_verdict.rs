//! no-risk-without-verdict: a workflow about something risky goes on only where the guardrails said that it may. Where nobody could be asked,
//! it is blocked, whatever else a fallback stands in for.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::History;
use crate::op::{Effect, Outcome, WorkflowEnd};

pub(super) const CHECK: Check = Check {
    name: "no-risk-without-verdict",
    about: "nothing risky goes on without a verdict that allows it",
    kind: Kind::Standing,
    run,
};

/// What the guardrails say where it may not go on.
const BLOCK: &str = "block";

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    let mut judging = Judging::new(CHECK.name);
    let mut stopped = 0;
    for (at, op) in history.ops().iter().enumerate() {
        let (Effect::Workflow(ended), Outcome::Ok) = (&op.effect, &op.outcome) else { continue };
        if !ended.risky {
            continue;
        }
        judging.judged += 1;
        match (ended.status, ended.verdict.as_deref()) {
            (WorkflowEnd::Blocked | WorkflowEnd::AcknowledgementRequired, _) => stopped += 1,
            (WorkflowEnd::Completed | WorkflowEnd::Degraded, Some(BLOCK)) => {
                judging.violation(|| "a risky workflow went on although the rules block it".to_owned(), &[at as u32]);
            }
            (WorkflowEnd::Completed | WorkflowEnd::Degraded, Some(_)) => {}
            (WorkflowEnd::Completed | WorkflowEnd::Degraded, None) => {
                judging.violation(|| "a risky workflow went on although nobody had judged it".to_owned(), &[at as u32]);
            }
        }
    }
    let summary = format!(
        "{}, {stopped} stopped, {} without a verdict behind it",
        counted(judging.judged, "risky workflow", "risky workflows"),
        judging.violations
    );
    Some(judging.finding(summary))
}
