//! rules-in-force: after a file of rules changed, nothing is judged by the rules of before: not later than promised, and not once anybody was
//! judged by the new ones. The same holds the other way round when the file is what it was.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::{Experiment, FILE_CHANGED, Fault, Promises};
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::op::{Effect, Op, Outcome};
use std::collections::{HashMap, HashSet};

pub(super) const CHECK: Check = Check {
    name: "rules-in-force",
    about: "changed rules are in force in time, and nothing is judged by those of before from then on",
    kind: Kind::Asked,
    run,
};

/// The service that judges by rules.
const GUARDRAILS: &str = "guardrails";

/// A call that rules decided.
struct Decided<'h> {
    at: u32,
    op: &'h Op,
    rules: &'h str,
    injected: bool,
}

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        judge(history, experiment, promises, judging)
    })
}

fn judge(history: &History, experiment: &Experiment, promises: &Promises, mut judging: Judging) -> Option<Finding> {
    let within_us = promises.in_force_us?;
    let changed: Vec<&Fault> = experiment.faults.iter().filter(|fault| fault.kind == FILE_CHANGED).collect();
    let of_rules: Vec<&Fault> = changed.iter().copied().filter(|fault| fault.target == GUARDRAILS).collect();
    let Some(first) = of_rules.first() else {
        return changed.is_empty().then(|| judging.unknown("no file was changed"));
    };
    let decided = decided(history);
    let before = |call: &&Decided<'_>| call.op.complete_us < first.ordered_us;
    let old: HashSet<&str> = decided.iter().filter(before).map(|call| call.rules).collect();
    if old.is_empty() {
        return Some(judging.unknown("nothing was judged before the rules changed"));
    }
    for fault in &of_rules {
        changed_rules(fault, within_us, &old, &decided, &mut judging);
    }
    if let Some(healed_us) = of_rules.iter().map(|fault| fault.healed_us).collect::<Option<Vec<u64>>>() {
        let from_us = healed_us.into_iter().max().unwrap_or_default() + within_us;
        let late = decided.iter().filter(|call| call.op.invoke_us >= from_us && !call.injected);
        for Decided { at, rules, .. } in late {
            judging.judged += 1;
            if !old.contains(rules) {
                judging
                    .violation(|| "judged by the changed rules when they were what they had been".to_owned(), &[*at]);
            }
        }
    }
    let summary = format!(
        "{}, {} by rules that were not in force",
        counted(judging.judged, "call judged after a change", "calls judged after a change"),
        judging.violations
    );
    Some(judging.finding(summary))
}

/// While other rules are in place: nothing is judged by the old ones that was sent late enough, or after somebody was judged by the new ones.
fn changed_rules(fault: &Fault, within_us: u64, old: &HashSet<&str>, decided: &[Decided<'_>], judging: &mut Judging) {
    let (due_us, until_us) = (fault.active_us + within_us, fault.ending_us.or(fault.healed_us).unwrap_or(u64::MAX));
    let is_old = |call: &Decided<'_>| old.contains(call.rules);
    let meanwhile =
        || decided.iter().filter(|call| call.op.invoke_us >= fault.active_us && call.op.invoke_us < until_us);
    // A call that was sent before the change was in place may be the first that the new rules decide.
    let in_place = |call: &&Decided<'_>| call.op.complete_us >= fault.active_us && call.op.invoke_us < until_us;
    let is_new = |call: &&Decided<'_>| call.op.invoke_us >= fault.ordered_us && !is_old(call);
    let first = decided.iter().filter(in_place).filter(is_new).min_by_key(|call| call.op.complete_us);
    let mut seen = 0;
    for call in meanwhile() {
        let in_force = first.filter(|first| call.op.invoke_us > first.op.complete_us && !call.injected);
        let is_due = call.op.invoke_us >= due_us;
        if !is_due && in_force.is_none() {
            continue;
        }
        judging.judged += 1;
        seen += u64::from(is_due && !call.injected);
        if !is_old(call) {
            continue;
        }
        let after = (call.op.invoke_us - fault.active_us) as f64 / 1e6;
        match in_force {
            _ if call.injected => judging.violation(
                || format!("injected {after:.1} s after the rules changed, on a verdict of those of before"),
                &[call.at],
            ),
            Some(first) => judging.violation(
                || format!("judged by the rules of before {after:.1} s after they changed, when others had been judged by the new ones"),
                &[first.at, call.at],
            ),
            None => judging
                .violation(|| format!("still judged by the rules of before {after:.1} s after they changed"), &[call.at]),
        }
    }
    if seen == 0 {
        judging.doubt(Evidence::of("nothing was judged when the changed rules were due".to_owned(), &[]));
    }
}

/// Every call that rules decided, and every injection with the rules of its verdict.
fn decided(history: &History) -> Vec<Decided<'_>> {
    let mut versions: HashMap<&str, &str> = HashMap::new();
    let mut decided = Vec::new();
    let answered = || history.ops().iter().enumerate().filter(|(_, op)| op.outcome == Outcome::Ok);
    for (_, op) in answered() {
        if let Effect::Verdict { verdict, rules, .. } = &op.effect {
            versions.entry(verdict).or_insert(rules);
        }
    }
    for (at, op) in answered() {
        let (rules, injected): (&str, bool) = match &op.effect {
            Effect::Verdict { rules, .. } => (rules, false),
            Effect::Workflow(ended) => (ended.rules.as_deref().unwrap_or_default(), false),
            Effect::Inject { verdict: Some(verdict), .. } => {
                (versions.get(&**verdict).copied().unwrap_or_default(), true)
            }
            _ => continue,
        };
        if !rules.is_empty() {
            decided.push(Decided { at: at as u32, op, rules, injected });
        }
    }
    decided
}
