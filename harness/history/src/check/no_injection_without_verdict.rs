//! no-injection-without-verdict: a pattern is injected only on a verdict that the guardrails gave, that allows it, and that is for the same
//! organisation, execution and request; one that somebody acknowledged, once.

use super::outage::outages;
use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::History;
use crate::op::{Effect, Op, Outcome, VerdictKind};
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "no-injection-without-verdict",
    about: "nothing is injected without a verdict that allows exactly this",
    kind: Kind::Standing,
    run,
};

/// The service that gives verdicts.
const GUARDRAILS: &str = "guardrails";

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    let mut given: HashMap<&str, u32> = HashMap::new();
    let mut used: HashMap<&str, u32> = HashMap::new();
    for (at, op) in numbered(history) {
        if let (Effect::Verdict { verdict, .. }, Outcome::Ok) = (&op.effect, &op.outcome) {
            given.entry(verdict).or_insert(at);
        }
    }
    let outages = outages(history);
    let unasked = |op: &Op| outages.iter().find(|outage| outage.service == GUARDRAILS && outage.covers(op));
    let mut judging = Judging::new(CHECK.name);
    let mut refused = 0;
    for (at, op) in numbered(history) {
        match (&op.effect, &op.outcome) {
            (Effect::Inject { .. }, Outcome::Failed(_)) => {
                judging.judged += 1;
                refused += 1;
            }
            (Effect::Inject { verdict, .. }, Outcome::Ok) => {
                judging.judged += 1;
                let verdict = verdict.as_deref().unwrap_or_default();
                let known = given.get(verdict).copied();
                if let Some(why) = wrong(history, op, known) {
                    judging.violation(|| why, &known.into_iter().chain([at]).collect::<Vec<u32>>());
                } else if let Some(first) =
                    known.filter(|known| is_acknowledged(history.op(*known))).and(used.insert(verdict, at))
                {
                    judging.violation(|| format!("the acknowledged verdict `{verdict}` was used twice"), &[first, at]);
                }
            }
            (Effect::Workflow(ended), Outcome::Ok) if ended.injected.is_some() => {
                judging.judged += 1;
                if matches!(ended.verdict.as_deref(), None | Some("block")) {
                    judging.violation(
                        || "a workflow injected a pattern without a verdict that allows it".to_owned(),
                        &[at],
                    );
                } else if let Some(outage) = unasked(op) {
                    judging.violation(
                        || "a workflow injected a pattern while no guardrails could be asked".to_owned(),
                        &[outage.since, at],
                    );
                }
            }
            _ => {}
        }
    }
    let summary = format!(
        "{}, {refused} refused, {} without a verdict behind it",
        counted(judging.judged, "injection", "injections"),
        judging.violations
    );
    Some(judging.finding(summary))
}

fn numbered(history: &History) -> impl Iterator<Item = (u32, &Op)> {
    history.ops().iter().enumerate().map(|(at, op)| (at as u32, op))
}

fn is_acknowledged(op: &Op) -> bool {
    matches!(&op.effect, Effect::Verdict { kind: VerdictKind::Acknowledged, .. })
}

/// Why an injection that was accepted must not have been.
fn wrong(history: &History, injection: &Op, known: Option<u32>) -> Option<String> {
    let Effect::Inject { pattern, execution, request, .. } = &injection.effect else { return None };
    let about = format!("`{pattern}` was injected");
    let Some(verdict) = known.map(|at| history.op(at)) else {
        return Some(format!("{about} on a verdict that the guardrails never gave"));
    };
    let Effect::Verdict { kind, execution: of, request: about_request, .. } = &verdict.effect else { return None };
    if verdict.invoke_us > injection.complete_us {
        return Some(format!("{about} before its verdict was asked for"));
    }
    if *kind == VerdictKind::Acknowledge {
        return Some(format!("{about} on a verdict that nobody had acknowledged"));
    }
    if verdict.tenant != injection.tenant {
        return Some(format!("{about} for `{}` on a verdict for `{}`", injection.tenant, verdict.tenant));
    }
    if of != execution {
        return Some(format!("{about} in execution `{execution}` on a verdict for `{of}`"));
    }
    (about_request != request).then(|| format!("{about} for another request than its verdict was given for"))
}
