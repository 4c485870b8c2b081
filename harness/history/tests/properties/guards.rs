//! Expectations of scenarios, injections and their verdicts, workflows and outages.

use crate::history::{effect, every_standing_check, verdict_of};
use harness_history::{Criteria, Effect, Expectation, Op, Outcome, Verdict, VerdictKind, Workflow, WorkflowEnd};
use proptest::prelude::*;

fn verdict(at: u64, id: u32, kind: VerdictKind) -> Op {
    let of = |what: &str| format!("{what}{id}").into();
    effect(
        at,
        Outcome::Ok,
        Effect::Verdict {
            verdict: of("v"),
            kind,
            execution: of("e"),
            request: of("r"),
            rules: of(""),
            user: "".into(),
            lifetime_s: None,
        },
    )
}

/// Returns an injection that was accepted on verdict `id`, for the execution and request of verdict `of`.
fn injection(at: u64, id: u32, of: u32) -> Op {
    let inject = Effect::Inject {
        pattern: "p".into(),
        execution: format!("e{of}").into(),
        request: format!("r{of}").into(),
        verdict: Some(format!("v{id}").into()),
    };
    effect(at, Outcome::Ok, inject)
}

const KINDS: [VerdictKind; 3] = [VerdictKind::Allow, VerdictKind::Acknowledge, VerdictKind::Acknowledged];

proptest! {
    #[test]
    fn a_scenario_has_the_verdict_of_its_worst_expectation(numbers in prop::collection::vec(0..3usize, 0..20)) {
        let verdicts: Vec<Verdict> = numbers.iter().map(|number| [Verdict::Pass, Verdict::Unknown, Verdict::Fail][*number]).collect();
        let expectation = |verdict: &Verdict| Expectation {
            at_us: 0, expected: "x".to_owned(), verdict: *verdict, timed: false, seen: "y".to_owned(), ops: Vec::new(),
        };
        let criteria = Criteria { expectations: Some(verdicts.iter().map(expectation).collect()), ..Criteria::default() };
        prop_assert_eq!(verdict_of("expectations-held", Vec::new(), &criteria), Verdict::merge(verdicts));
    }

    #[test]
    fn an_injection_passes_exactly_if_its_verdict_allows_it(
        kinds in prop::collection::vec(0..3usize, 1..6),
        uses in prop::collection::vec((0..8u32, 0..8u32), 1..12),
    ) {
        let mut ops: Vec<Op> = kinds.iter().enumerate().map(|(id, kind)| verdict(id as u64 * 10, id as u32, KINDS[*kind])).collect();
        let mut spent = std::collections::HashSet::new();
        let mut good = true;
        for (number, (id, of)) in uses.iter().enumerate() {
            good &= match kinds.get(*id as usize).map(|kind| KINDS[*kind]) {
                None | Some(VerdictKind::Acknowledge) => false,
                Some(VerdictKind::Allow) => id == of,
                Some(VerdictKind::Acknowledged) => id == of && spent.insert(*id),
            };
            ops.push(injection(1_000 + number as u64 * 10, *id, *of));
        }
        let expected = if good { Verdict::Pass } else { Verdict::Fail };
        prop_assert_eq!(verdict_of("no-injection-without-verdict", ops, &every_standing_check()), expected);
    }

    #[test]
    fn a_workflow_within_an_outage_passes_exactly_if_it_declares_it(
        service in 0..3usize, down in 0..100u64, lasts in 1..200u64, at in 0..300u64, named in any::<bool>(),
    ) {
        let names = ["guardrails", "memory", "patterns"];
        let reasons = ["guardrail_unavailable", "memory_unavailable", "patterns_unavailable"];
        let outage = |at, down| effect(at, Outcome::Ok, Effect::Outage { service: names[service].into(), down });
        let workflow = Workflow {
            reasons: if named { vec![reasons[service].into()] } else { Vec::new() },
            ..Workflow::ended(if named { WorkflowEnd::Degraded } else { WorkflowEnd::Completed })
        };
        let ops = vec![outage(down, true), effect(at, Outcome::Ok, Effect::Workflow(workflow)), outage(down + 5 + lasts, false)];
        let within = at >= down + 5 && at + 5 <= down + 5 + lasts;
        let expected = if within && !named { Verdict::Fail } else { Verdict::Pass };
        prop_assert_eq!(verdict_of("degraded-is-declared", ops, &every_standing_check()), expected);
    }

    #[test]
    fn a_risky_workflow_passes_only_if_it_stopped_or_was_allowed(
        runs in prop::collection::vec((any::<bool>(), 0..4usize, 0..4usize), 1..12),
    ) {
        let ends = [WorkflowEnd::Completed, WorkflowEnd::Degraded, WorkflowEnd::Blocked, WorkflowEnd::AcknowledgementRequired];
        let verdicts = [None, Some("block"), Some("allow"), Some("acknowledge")];
        let ops = runs.iter().enumerate().map(|(number, (risky, end, verdict))| {
            let (status, verdict) = (ends[*end], verdicts[*verdict].map(Into::into));
            let workflow = Workflow { risky: *risky, verdict, ..Workflow::ended(status) };
            effect(number as u64 * 10, Outcome::Ok, Effect::Workflow(workflow))
        });
        let wrong = |(risky, end, verdict): &(bool, usize, usize)| *risky && *end < 2 && *verdict < 2;
        let expected = if runs.iter().any(wrong) {
            Verdict::Fail
        } else if runs.iter().any(|(risky, _, _)| *risky) {
            Verdict::Pass
        } else {
            Verdict::Unknown
        };
        prop_assert_eq!(verdict_of("no-risk-without-verdict", ops.collect(), &every_standing_check()), expected);
    }

    #[test]
    fn a_workflow_injects_only_while_the_guardrails_are_up(down in 0..100u64, lasts in 1..200u64, at in 0..300u64) {
        let outage = |at, down| effect(at, Outcome::Ok, Effect::Outage { service: "guardrails".into(), down });
        let workflow = Workflow {
            verdict: Some("allow".into()),
            injected: Some("v1".into()),
            ..Workflow::ended(WorkflowEnd::Completed)
        };
        // The harness may record an outage after the calls within it.
        let ops = vec![effect(at, Outcome::Ok, Effect::Workflow(workflow)), outage(down, true), outage(down + 5 + lasts, false)];
        let within = at >= down + 5 && at + 5 <= down + 5 + lasts;
        let expected = if within { Verdict::Fail } else { Verdict::Pass };
        prop_assert_eq!(verdict_of("no-injection-without-verdict", ops, &every_standing_check()), expected);
    }
}
