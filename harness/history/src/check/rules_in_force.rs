//! rules-in-force: after a rules file has changed, no call is judged by the old rules once the promised time is over, or once another call was
//! judged by the new rules. After the file is restored and the promised time is over, no call is judged by the changed rules.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;
use crate::experiment::Fault;
use crate::history::History;
use crate::view::{EffectRef, OpRef};
use std::collections::{HashMap, HashSet};

pub(super) const CHECK: Check = Check {
    name: "rules-in-force",
    proves: "After the promised time, and once any call was judged by the changed rules, no call was judged by the old ones; after the file was restored, none by the changed ones",
    blind_to: &[
        "It compares the versions that the guardrails report, not the decisions: old rules under a new version pass.",
        "Every version other than those before the change counts as the new one.",
        "A verdict or workflow that names no version is not judged.",
        "If other processes use the machine, or the harness stalls, rules that take effect late are not a violation. Two cases always are: a call judged by the old rules after one judged by the new ones, and rules that never take effect within three times the promised time.",
    ],
    evidence: "A fault that changes the rules, and verdicts or workflows that name the version of their rules before it, during it and once the restored rules are due.",
    rule: Rule::ExperimentBound(judge),
};

/// The service that judges by rules.
const GUARDRAILS: &str = "guardrails";

/// Number of promised times, and of calls after them that were all judged by the old rules, so that a busy machine is no excuse: the service judged
/// calls all that time, and looks at its files several times a second.
const CERTAIN_TIMES: u64 = 3;
const CERTAIN_CALLS: usize = 10;

/// A call that rules decided.
struct Decision<'h> {
    at: u32,
    op: OpRef<'h>,
    rules: &'h str,
    /// True for an injection: the rules are those of its verdict, which may be older.
    injected: bool,
}

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let within_us = run.promises.in_force_us?;
    let of_rules: Vec<&Fault> = run.experiment.file_changes(GUARDRAILS).collect();
    let Some(first) = of_rules.first() else {
        let any = run.experiment.faults.iter().any(Fault::is_file_change);
        return (!any).then(|| finding.unknown("no file was changed"));
    };
    let decisions = decisions(run.history);
    let before = |decision: &&Decision<'_>| decision.op.complete_us() < first.ordered_us;
    let old: HashSet<&str> = decisions.iter().filter(before).map(|decision| decision.rules).collect();
    if old.is_empty() {
        return Some(finding.unknown("no call was judged before the rules changed"));
    }
    for fault in &of_rules {
        judge_change(fault, within_us, &old, &decisions, finding);
    }
    if let Some(healed_us) = of_rules.iter().map(|fault| fault.healed_us).collect::<Option<Vec<u64>>>() {
        let from_us = healed_us.into_iter().max().unwrap_or_default() + within_us;
        let mut judged = 0;
        for Decision { at, rules, .. } in decisions.iter().filter(|it| it.op.invoke_us() >= from_us && !it.injected) {
            finding.judged += 1;
            judged += 1;
            if !old.contains(rules) {
                finding.violation(|| "judged by the changed rules after they were restored".to_owned(), &[*at]);
            }
        }
        if judged == 0 {
            finding.doubt("no call was judged once the restored rules were due");
        }
    }
    Some(format!(
        "{} after a change, {} by rules that were not in force",
        counted(finding.judged, "call judged", "calls judged"),
        finding.violations
    ))
}

/// Judges the calls sent while changed rules were in place: those sent late enough, and those sent after a call was judged by the new rules.
fn judge_change(
    fault: &Fault,
    within_us: u64,
    old: &HashSet<&str>,
    decisions: &[Decision<'_>],
    finding: &mut FindingBuilder,
) {
    let (due_us, until_us) = (fault.active_us + within_us, fault.until_us());
    let is_old = |decision: &Decision<'_>| old.contains(decision.rules);
    // A call that was sent before the change was in place may be the first that the new rules decide.
    let is_in_place = |it: &&Decision<'_>| it.op.complete_us() >= fault.active_us && it.op.invoke_us() < until_us;
    let is_new = |it: &&Decision<'_>| it.op.invoke_us() >= fault.ordered_us && !is_old(it);
    let first_new = decisions.iter().filter(is_in_place).filter(is_new).min_by_key(|it| it.op.complete_us());
    let certain_us = fault.active_us + within_us.saturating_mul(CERTAIN_TIMES);
    let is_much_later =
        |it: &&Decision<'_>| !it.injected && it.op.invoke_us() >= certain_us && it.op.invoke_us() < until_us;
    let never_in_force = first_new.is_none() && decisions.iter().filter(is_much_later).count() >= CERTAIN_CALLS;
    let mut judged_when_due = 0;
    for it in decisions.iter().filter(|it| it.op.invoke_us() >= fault.active_us && it.op.invoke_us() < until_us) {
        // An injection uses the rules of an earlier verdict, so only the promised time applies to it.
        let after_new = first_new.filter(|first| it.op.invoke_us() > first.op.complete_us() && !it.injected);
        let is_due = it.op.invoke_us() >= due_us;
        if !is_due && after_new.is_none() {
            continue;
        }
        finding.judged += 1;
        judged_when_due += u64::from(is_due && !it.injected);
        if !is_old(it) {
            continue;
        }
        let after = (it.op.invoke_us() - fault.active_us) as f64 / 1e6;
        match after_new {
            _ if it.injected => {
                let what = || format!("injected {after:.1} s after the rules changed, on a verdict of the old rules");
                finding.violation(what, &[it.at]);
            }
            Some(first) => {
                let what = || {
                    format!(
                        "judged by the old rules {after:.1} s after they changed, although another call had been judged by the new ones"
                    )
                };
                // No lack of time explains the order of two decisions.
                finding.certain_violation(what, &[first.at, it.at]);
            }
            None => {
                let what = || format!("still judged by the old rules {after:.1} s after they changed");
                if never_in_force {
                    finding.certain_violation(what, &[it.at])
                } else {
                    finding.violation(what, &[it.at])
                }
            }
        }
    }
    if judged_when_due == 0 {
        finding.doubt("no call was judged once the changed rules were due");
    }
}

/// Returns every call that rules decided, and every injection with the rules of its verdict.
fn decisions(history: &History) -> Vec<Decision<'_>> {
    let mut versions: HashMap<&str, &str> = HashMap::new();
    for (_, op) in history.answered() {
        if let EffectRef::Verdict { verdict, rules, .. } = op.effect() {
            versions.entry(verdict).or_insert(rules);
        }
    }
    let mut decisions = Vec::new();
    for (at, op) in history.answered() {
        let (rules, injected): (&str, bool) = match op.effect() {
            EffectRef::Verdict { rules, .. } => (rules, false),
            EffectRef::Workflow(ended) => (ended.rules.unwrap_or_default(), false),
            EffectRef::Inject { verdict: Some(verdict), .. } => {
                (versions.get(verdict).copied().unwrap_or_default(), true)
            }
            _ => continue,
        };
        if !rules.is_empty() {
            decisions.push(Decision { at, op, rules, injected });
        }
    }
    decisions
}
