//! Files of rules and patterns that change under load: calls decided by the file in force pass at any time, and one call that was decided by
//! the other file fails.

use crate::history::{effect, finding_of, outcome};
use harness_history::experiment::{FILE_CHANGED, Fault, Promises};
use harness_history::{Criteria, Effect, Experiment, History, Op, Verdict, VerdictKind, Workflow, WorkflowEnd};
use proptest::prelude::*;

/// Longest time from a change until it is in force.
const WITHIN_US: u64 = 2_000;
/// Time from one call to the next.
const STEP_US: u64 = 100;

/// When a file is changed and restored, and how long the service takes to notice either.
#[derive(Debug, Clone, Copy)]
struct Change {
    from_us: u64,
    until_us: u64,
    noticed_us: u64,
    end_us: u64,
}

impl Change {
    /// Returns true if the changed file decides a call that is sent now.
    const fn decides(self, at_us: u64) -> bool {
        at_us >= self.from_us + self.noticed_us && at_us < self.until_us + self.noticed_us
    }

    fn moments(self) -> impl Iterator<Item = u64> {
        (0..self.end_us).step_by(STEP_US as usize)
    }
}

prop_compose! {
    fn changes()(from_us in 500..3_000u64, lasts in 3_000..6_000u64, noticed_us in 0..WITHIN_US) -> Change {
        let until_us = from_us + lasts;
        Change { from_us, until_us, noticed_us, end_us: until_us + 2 * WITHIN_US }
    }
}

/// The verdict of a check on calls around a change of a file of `target`.
fn verdict(check: &str, target: &str, change: Change, ops: Vec<Op>) -> Verdict {
    let fault = Fault {
        name: format!("{FILE_CHANGED} {target}"),
        kind: FILE_CHANGED.to_owned(),
        target: target.to_owned(),
        ordered_us: change.from_us,
        active_us: change.from_us,
        ending_us: Some(change.until_us),
        healed_us: Some(change.until_us),
        hits: Some(1),
        counted_by: String::new(),
    };
    let history: History = ops.into_iter().collect();
    let history = history.with_experiment(Experiment { faults: vec![fault], ..Experiment::default() });
    let criteria = Criteria { experiment: Some(promises()), ..Criteria::default() };
    finding_of(check, &history, &criteria).unwrap().verdict
}

fn promises() -> Promises {
    Promises { in_force_us: Some(WITHIN_US), withdrawn: vec!["own".to_owned()], ..Promises::default() }
}

fn judged(at_us: u64, changed: bool, by_workflow: bool) -> Op {
    let rules = if changed { "changed" } else { "as before" };
    let effect_of = if by_workflow {
        let rules = Some(rules.into());
        Effect::Workflow(Workflow { rules, ..Workflow::ended(WorkflowEnd::Completed) })
    } else {
        let (verdict, kind, rules) = (format!("v{at_us}").into(), VerdictKind::Allow, rules.into());
        Effect::Verdict {
            verdict,
            kind,
            execution: "e".into(),
            request: "r".into(),
            rules,
            user: "".into(),
            lifetime_s: None,
        }
    };
    effect(at_us, outcome(true), effect_of)
}

fn used(at_us: u64, pattern: &str) -> Op {
    let (pattern, injected) = (Some(pattern.into()), Some("v".into()));
    effect(
        at_us,
        outcome(true),
        Effect::Workflow(Workflow { pattern, injected, ..Workflow::ended(WorkflowEnd::Completed) }),
    )
}

proptest! {
    #[test]
    fn calls_judged_by_the_rules_in_force_pass_and_one_judged_by_others_fails(
        change in changes(), by_workflow in any::<bool>(), draw in any::<prop::sample::Index>(),
    ) {
        let mut ops: Vec<Op> = change.moments().map(|at| judged(at, change.decides(at), by_workflow)).collect();
        prop_assert_eq!(verdict("rules-in-force", "guardrails", change, ops.clone()), Verdict::Pass);
        // A call after the first one judged by the new rules, or one after the restored rules were due.
        let late = |at: &u64| (change.decides(*at) && *at > change.from_us + change.noticed_us + STEP_US && *at < change.until_us)
            || *at >= change.until_us + WITHIN_US;
        let late: Vec<u64> = change.moments().filter(late).collect();
        let at = late[draw.index(late.len())];
        ops[(at / STEP_US) as usize] = judged(at, !change.decides(at), by_workflow);
        prop_assert_eq!(verdict("rules-in-force", "guardrails", change, ops), Verdict::Fail);
    }

    #[test]
    fn a_withdrawn_pattern_is_not_used_until_it_is_restored(change in changes(), draw in any::<prop::sample::Index>()) {
        let own = |at| used(at, if change.decides(at) { "another" } else { "own" });
        let mut ops: Vec<Op> = change.moments().map(own).collect();
        prop_assert_eq!(verdict("withdrawn-not-used", "patterns", change, ops.clone()), Verdict::Pass);
        let due: Vec<u64> = change.moments().filter(|at| *at >= change.from_us + WITHIN_US && *at < change.until_us).collect();
        let at = due[draw.index(due.len())];
        ops[(at / STEP_US) as usize] = used(at, "own");
        prop_assert_eq!(verdict("withdrawn-not-used", "patterns", change, ops), Verdict::Fail);
    }
}
