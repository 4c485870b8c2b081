//! The mutation table of the guards: histories of verdicts, injections and workflows without a defect, each with one fact falsified in one of five
//! ways, and how many of them the check of that fact finds.
#![expect(clippy::ptr_arg, reason = "all ways have one signature, and some of them insert calls")]

use crate::history::{effect, every_standing_check, verdict_of};
use crate::simulation::Draws;
use harness_history::{Effect, Op, Outcome, Verdict, VerdictKind, Workflow, WorkflowEnd};

const HISTORIES: u64 = 60;
/// Share of the histories that the check must find.
const FOUND: f64 = 0.95;
const EXECUTIONS: u64 = 24;
const LIFETIME_S: u64 = 120;
/// Time of each execution.
const EVERY_US: u64 = 1_000_000;
const USERS: [(&str, &str); 3] = [("acme", "ann"), ("acme", "bob"), ("zeta", "zoe")];

/// A way to falsify one fact. Returns false if the history has no such fact.
type Way = fn(&mut Vec<Op>, &mut Draws) -> bool;

const WAYS: [(&str, &str, Way); 11] = [
    ("no-injection-without-verdict", "lost", verdict_never_given),
    ("no-injection-without-verdict", "stale", injected_after_expiry),
    ("no-injection-without-verdict", "reordered", injected_before_the_verdict),
    ("no-injection-without-verdict", "duplicated", acknowledged_verdict_used_twice),
    ("no-injection-without-verdict", "foreign", verdict_of_another_execution),
    ("no-risk-without-verdict", "lost", risky_without_verdict),
    ("no-risk-without-verdict", "stale", risky_although_blocked),
    ("degraded-is-declared", "lost", reason_missing),
    ("degraded-is-declared", "stale", completed_although_a_step_fell_back),
    ("degraded-is-declared", "reordered", completed_within_an_outage),
    ("degraded-is-declared", "foreign", reason_of_another_service),
];

#[test]
fn each_guard_finds_what_one_falsified_fact_breaks() {
    for (check, way, falsify) in WAYS {
        let (mut made, mut found) = (0.0, 0.0);
        for seed in 0..HISTORIES {
            let mut draws = Draws(seed);
            let mut ops = honest(&mut draws);
            assert_eq!(verdict_of(check, ops.clone(), &every_standing_check()), Verdict::Pass, "{check} {seed}");
            if falsify(&mut ops, &mut draws) {
                made += 1.0;
                let failed = verdict_of(check, ops, &every_standing_check()) == Verdict::Fail;
                found += f64::from(u8::from(failed));
            }
        }
        assert!(made >= HISTORIES as f64 / 2.0, "{check}, {way}: {made} histories have a fact to falsify");
        assert!(found / made >= FOUND, "{check}, {way}: {found} of {made} found");
    }
}

/// Executions one after the other: a verdict and an injection on it, or a workflow. In the last third the guardrails are down.
fn honest(draws: &mut Draws) -> Vec<Op> {
    let mut ops = Vec::new();
    for number in 0..EXECUTIONS {
        let at = number * EVERY_US;
        let down = number >= EXECUTIONS * 2 / 3;
        if number == EXECUTIONS * 2 / 3 {
            ops.push(effect(at - 10, Outcome::Ok, Effect::Outage { service: "guardrails".into(), down: true }));
        }
        let (tenant, user) = USERS[draws.below(USERS.len() as u64) as usize];
        let by = |op: Op| Op { tenant: tenant.into(), user: user.into(), ..op };
        if down || number % 2 == 1 {
            ops.push(by(effect(at, Outcome::Ok, Effect::Workflow(workflow(draws, number, down)))));
            continue;
        }
        let kind = if draws.below(2) == 0 { VerdictKind::Allow } else { VerdictKind::Acknowledged };
        ops.push(by(effect(at, Outcome::Ok, verdict(number, kind, user))));
        ops.push(by(effect(at + 100, Outcome::Ok, injection(number))));
    }
    let end = EXECUTIONS * EVERY_US;
    ops.push(effect(end, Outcome::Ok, Effect::Outage { service: "guardrails".into(), down: false }));
    ops
}

fn verdict(number: u64, kind: VerdictKind, user: &str) -> Effect {
    Effect::Verdict {
        verdict: format!("v{number}").into(),
        kind,
        execution: format!("e{number}").into(),
        request: format!("r{number}").into(),
        rules: "1".into(),
        user: user.into(),
        lifetime_s: Some(LIFETIME_S),
    }
}

fn injection(number: u64) -> Effect {
    Effect::Inject {
        pattern: "p".into(),
        execution: format!("e{number}").into(),
        request: format!("r{number}").into(),
        verdict: Some(format!("v{number}").into()),
    }
}

fn workflow(draws: &mut Draws, number: u64, guardrails_down: bool) -> Workflow {
    let (risky, memory_down) = (draws.below(2) == 0, draws.below(2) == 0);
    let mut reasons = Vec::new();
    if guardrails_down {
        reasons.push("guardrail_unavailable".into());
    }
    if memory_down && !(risky && guardrails_down) {
        reasons.push("memory_unavailable".into());
    }
    let status = match (risky && guardrails_down, reasons.is_empty()) {
        (true, _) => WorkflowEnd::Blocked,
        (false, true) => WorkflowEnd::Completed,
        (false, false) => WorkflowEnd::Degraded,
    };
    Workflow {
        execution: Some(format!("e{number}").into()),
        risky,
        fallbacks: reasons.iter().map(|_| "a step".into()).collect(),
        reasons,
        verdict: (!guardrails_down).then(|| "allow".into()),
        injected: (!guardrails_down).then(|| format!("w{number}").into()),
        ..Workflow::ended(status)
    }
}

fn positions(ops: &[Op], wanted: impl Fn(&Op) -> bool) -> Vec<usize> {
    (0..ops.len()).filter(|at| wanted(&ops[*at])).collect()
}

const fn is_injection(op: &Op) -> bool {
    matches!(op.effect, Effect::Inject { .. })
}

/// Changes a workflow that `wanted` accepts; returns false if there is none.
fn change(
    ops: &mut [Op],
    draws: &mut Draws,
    wanted: impl Fn(&Workflow) -> bool,
    change: impl FnOnce(&mut Workflow),
) -> bool {
    let is_wanted = |op: &Op| matches!(&op.effect, Effect::Workflow(workflow) if wanted(workflow));
    let Some(at) = draws.pick(&positions(ops, is_wanted)) else { return false };
    let Effect::Workflow(workflow) = &mut ops[at].effect else { return false };
    change(workflow);
    true
}

fn verdict_never_given(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    // The verdict of an injection is the call before it.
    let Some(at) = draws.pick(&positions(ops, is_injection)) else { return false };
    ops.remove(at - 1);
    true
}

fn injected_after_expiry(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let Some(at) = draws.pick(&positions(ops, is_injection)) else { return false };
    ops[at].invoke_us = ops[at - 1].complete_us + LIFETIME_S * 1_000_000 + 1;
    ops[at].complete_us = ops[at].invoke_us + 5;
    true
}

fn injected_before_the_verdict(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let Some(at) = draws.pick(&positions(ops, is_injection)) else { return false };
    let times = (ops[at].invoke_us, ops[at].complete_us);
    (ops[at].invoke_us, ops[at].complete_us) = (ops[at - 1].invoke_us, ops[at - 1].complete_us);
    (ops[at - 1].invoke_us, ops[at - 1].complete_us) = times;
    ops.swap(at - 1, at);
    true
}

fn acknowledged_verdict_used_twice(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let is_single = |op: &Op| matches!(op.effect, Effect::Verdict { kind: VerdictKind::Acknowledged, .. });
    let Some(at) = draws.pick(&positions(ops, is_single)) else { return false };
    let mut again = ops[at + 1].clone();
    (again.invoke_us, again.complete_us) = (again.invoke_us + 50, again.complete_us + 50);
    ops.insert(at + 2, again);
    true
}

fn verdict_of_another_execution(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let all = positions(ops, is_injection);
    let Some(at) = draws.pick(&all) else { return false };
    let earlier: Vec<usize> = all.into_iter().filter(|other| *other < at).collect();
    let Some(other) = draws.pick(&earlier) else { return false };
    let Effect::Inject { verdict: foreign, .. } = ops[other].effect.clone() else { return false };
    let Effect::Inject { verdict, .. } = &mut ops[at].effect else { return false };
    *verdict = foreign;
    true
}

fn risky_without_verdict(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    change(ops, draws, |workflow| workflow.risky && workflow.verdict.is_some(), |workflow| workflow.verdict = None)
}

fn risky_although_blocked(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let wanted = |workflow: &Workflow| workflow.risky && workflow.verdict.is_some();
    change(ops, draws, wanted, |workflow| workflow.verdict = Some("block".into()))
}

fn reason_missing(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    change(ops, draws, |workflow| !workflow.reasons.is_empty(), |workflow| workflow.reasons.clear())
}

fn completed_although_a_step_fell_back(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let wanted = |workflow: &Workflow| workflow.status == WorkflowEnd::Degraded;
    change(ops, draws, wanted, |workflow| {
        workflow.status = WorkflowEnd::Completed;
        workflow.reasons.clear();
    })
}

fn completed_within_an_outage(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let is_completed =
        |op: &Op| matches!(&op.effect, Effect::Workflow(workflow) if workflow.status == WorkflowEnd::Completed);
    let Some(at) = draws.pick(&positions(ops, is_completed)) else { return false };
    let begun = EXECUTIONS * 2 / 3 * EVERY_US;
    (ops[at].invoke_us, ops[at].complete_us) = (begun + 500, begun + 505);
    true
}

fn reason_of_another_service(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let wanted = |workflow: &Workflow| workflow.reasons.iter().any(|reason| &**reason == "guardrail_unavailable");
    change(ops, draws, wanted, |workflow| workflow.reasons = vec!["patterns_unavailable".into()])
}
