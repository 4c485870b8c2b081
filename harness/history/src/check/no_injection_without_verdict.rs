//! no-injection-without-verdict: a pattern is injected only with a verdict of the guardrails that allows it, for the same organisation, execution
//! and request. An acknowledged verdict is valid for one injection.

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::finding::Evidence;
use crate::history::History;
use crate::op::{ErrorKind, Outcome, VerdictKind};
use crate::outage::{Outage, outages};
use crate::view::{EffectRef, OpRef, WorkflowRef};
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "no-injection-without-verdict",
    proves: "Every injection that was accepted names a verdict that the guardrails had given for that user, execution and request and that had not expired, and each acknowledged verdict was used once",
    blind_to: &[
        "It counts the lifetime of a verdict from the end of the call that returned it: a verdict that expired during that call passes until then.",
        "For an injection inside a workflow it relies on the reply of the orchestrator: it does not see which verdict the patterns service got.",
        "It does not see what text was injected.",
    ],
    evidence: "Calls that inject patterns, or workflows that report an injection, with the verdicts that clients received.",
    rule: Rule::Standing(judge),
};

/// The service that returns verdicts.
const GUARDRAILS: &str = "guardrails";

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let mut verdicts: HashMap<&str, u32> = HashMap::new();
    for (at, op) in history.answered() {
        // An injection that names no verdict must not find one without an id.
        if let EffectRef::Verdict { verdict, .. } = op.effect()
            && !verdict.is_empty()
        {
            verdicts.entry(verdict).or_insert(at);
        }
    }
    let outages = outages(history);
    let mut used: HashMap<&str, u32> = HashMap::new();
    let mut refused = 0;
    for (at, op) in history.numbered() {
        match (op.effect(), op.outcome()) {
            (EffectRef::Inject { .. }, Outcome::Failed(_)) => {
                finding.judged += 1;
                refused += 1;
            }
            // The service may have injected the pattern; without a verdict in its reply, nothing shows whether it was allowed to.
            (EffectRef::Inject { verdict: None, .. }, Outcome::Unknown(ErrorKind::Malformed(_))) => {
                finding.doubt_with(Evidence::of("the reply to an injection cannot be read", &[at]));
            }
            (EffectRef::Inject { verdict, .. }, Outcome::Ok | Outcome::Unknown(ErrorKind::Malformed(_))) => {
                finding.judged += 1;
                let verdict = verdict.unwrap_or_default();
                let verdict_at = verdicts.get(verdict).copied();
                let is_single = verdict_at.is_some_and(|at| is_acknowledged(history.op(at)));
                if let Some(why) = mismatch(history, op, verdict_at) {
                    finding.violation(|| why, &verdict_at.into_iter().chain([at]).collect::<Vec<u32>>());
                } else if let Some(first) = is_single.then(|| used.insert(verdict, at)).flatten() {
                    finding.violation(|| format!("the acknowledged verdict `{verdict}` was used twice"), &[first, at]);
                }
            }
            (EffectRef::Workflow(ended), Outcome::Ok) if ended.injected.is_some() => {
                finding.judged += 1;
                judge_workflow((at, op), &ended, &outages, finding);
            }
            _ => {}
        }
    }
    format!(
        "{}, {refused} refused, {} without a verdict that allows it",
        counted(finding.judged, "injection", "injections"),
        finding.violations
    )
}

fn judge_workflow(
    (at, op): (u32, OpRef<'_>),
    ended: &WorkflowRef<'_>,
    outages: &[Outage<'_>],
    finding: &mut FindingBuilder,
) {
    let down = || outages.iter().find(|outage| outage.service == GUARDRAILS && outage.covers(op));
    if ended.injected.is_none_or(str::is_empty) {
        finding.violation(|| "a workflow injected a pattern and names no verdict".to_owned(), &[at]);
    } else if matches!(ended.verdict, None | Some("" | "block" | "acknowledge")) {
        finding.violation(|| "a workflow injected a pattern without a verdict that allows it".to_owned(), &[at]);
    } else if let Some(outage) = down() {
        let what = || "a workflow injected a pattern while the guardrails were down".to_owned();
        finding.violation(what, &[outage.since, at]);
    }
}

fn is_acknowledged(op: OpRef<'_>) -> bool {
    matches!(op.effect(), EffectRef::Verdict { kind: VerdictKind::Acknowledged, .. })
}

/// Returns why the verdict at this position does not allow the injection; `None` if it does.
fn mismatch(history: &History, injection: OpRef<'_>, verdict_at: Option<u32>) -> Option<String> {
    let EffectRef::Inject { pattern, execution, request, .. } = injection.effect() else { return None };
    let injected = format!("`{pattern}` was injected");
    let Some(verdict) = verdict_at.map(|at| history.op(at)) else {
        return Some(format!("{injected} on a verdict that the guardrails did not give"));
    };
    let EffectRef::Verdict { kind, execution: judged, request: judged_request, user, lifetime_s, .. } =
        verdict.effect()
    else {
        return None;
    };
    if verdict.invoke_us() > injection.complete_us() {
        return Some(format!("{injected} before its verdict was requested"));
    }
    if kind == VerdictKind::Acknowledge {
        return Some(format!("{injected} on a verdict that was not acknowledged"));
    }
    if verdict.tenant() != injection.tenant() {
        return Some(format!("{injected} for `{}` on a verdict for `{}`", injection.tenant(), verdict.tenant()));
    }
    // Older histories do not have the user of the verdict itself.
    let of = if user.is_empty() { verdict.user() } else { user };
    if !is_of_user(injection, of) {
        return Some(format!("{injected} for `{}` on a verdict for `{of}`", injection.user()));
    }
    let is_expired =
        |lifetime_s: u64| injection.invoke_us() > verdict.complete_us().saturating_add(lifetime_s * 1_000_000);
    if lifetime_s.is_some_and(is_expired) {
        return Some(format!("{injected} on a verdict that had expired"));
    }
    if judged != execution {
        return Some(format!("{injected} in execution `{execution}` on a verdict for `{judged}`"));
    }
    (judged_request != request).then(|| format!("{injected} for another request than its verdict"))
}

/// Returns true if this user made the call. In another workspace a scenario records the user with the name of the workspace behind an `@`.
fn is_of_user(call: OpRef<'_>, user: &str) -> bool {
    let rest = call.user().strip_prefix(user);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}
