//! A stack is steady again if it is as it was before the fault, and stays so.

use crate::history::call;
use crate::stack::{RECOVERY_US, Run, Shape, shapes};
use crate::verdicts::{only, verdicts};
use harness_history::experiment::Span;
use harness_history::recovery::{Recovery, STEP_US, recovery};
use harness_history::{ErrorKind, History, Outcome, Verdict, judge};
use proptest::prelude::*;

fn figures(run: &Run) -> Recovery {
    let history: History = run.ops.iter().cloned().collect();
    recovery(&history, &run.experiment)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn recovery_is_timed_from_the_fault_to_the_calls_that_show_it(shape in shapes()) {
        let run = Run::of(&shape);
        let figures = figures(&run);
        let gap_us = 1_000_000 / shape.rate;
        let call_us = 2 * shape.latency_us + 200;
        let steady_us = figures.steady_us.unwrap();
        // In a window one call in twenty may fail, and one may lie outside its edge.
        prop_assert!(steady_us + 50_000 + 2 * gap_us >= shape.back_us, "{} {}", steady_us, shape.back_us);
        prop_assert!(steady_us <= shape.back_us + STEP_US, "{} {}", steady_us, shape.back_us);
        let first_us = figures.first_success_us.unwrap();
        prop_assert!(first_us <= shape.back_us + gap_us + call_us, "{} {}", first_us, shape.back_us);
        let detect_us = figures.detect_us.unwrap();
        prop_assert!(detect_us <= shape.fails_each * gap_us + call_us, "{}", detect_us);
    }

    #[test]
    fn a_stack_that_comes_back_too_late_fails_recovery(shape in shapes(), late_us in 300_000..900_000u64) {
        let shape = Shape { back_us: RECOVERY_US + late_us, ..shape };
        let run = Run::of(&shape);
        only(&run, &["recovery"], Verdict::Fail)?;
    }

    #[test]
    fn a_stack_that_never_comes_back_fails_recovery_and_shows_calls(shape in shapes()) {
        let mut run = Run::of(&shape);
        let healed_us = run.fault().until_us;
        // A metastable state: the fault is gone, and every second call still fails.
        let after = run.ops.iter_mut().filter(|op| op.invoke_us >= healed_us).step_by(2);
        after.for_each(|op| op.outcome = Outcome::Failed(ErrorKind::Http(503)));
        let history = run.ops.iter().cloned().collect::<History>().with_experiment(run.experiment.clone());
        let findings = judge(&history, &run.criteria());
        let of = |check: &str| findings.iter().find(|finding| finding.check == check).unwrap();
        prop_assert_eq!(of("recovery").verdict, Verdict::Fail);
        prop_assert!(!of("recovery").evidence[0].ops.is_empty());
        prop_assert_eq!(of("holds-after").verdict, Verdict::Unknown);
    }

    #[test]
    fn a_stack_that_fails_again_is_not_steady(shape in shapes()) {
        let mut run = Run::of(&shape);
        let again_us = run.fault().until_us + 5_000_000;
        run.ops.iter_mut().filter(|op| op.invoke_us >= again_us).for_each(|op| op.outcome = Outcome::Failed(ErrorKind::Http(503)));
        prop_assert_eq!(verdicts(&run)["recovery"], Verdict::Fail);
    }

    #[test]
    fn a_slow_stack_after_the_fault_is_not_steady(shape in shapes()) {
        let mut run = Run::of(&shape);
        let healed_us = run.fault().until_us;
        let slower_us = shape.latency_us / 2 + 7_000;
        run.ops.iter_mut().filter(|op| op.invoke_us >= healed_us).for_each(|op| op.complete_us += slower_us);
        prop_assert_eq!(verdicts(&run)["recovery"], Verdict::Fail);
    }

    #[test]
    fn other_processes_excuse_slow_calls_and_nothing_else(shape in shapes(), slower_us in 40_000..250_000u64, fails in any::<bool>()) {
        let mut run = Run::of(&shape);
        let (healed_us, until_us) = (run.fault().until_us, run.experiment.recovery.unwrap().until_us);
        run.ops.iter_mut().filter(|op| op.invoke_us >= healed_us).for_each(|op| op.complete_us += slower_us);
        if fails {
            let after = run.ops.iter_mut().filter(|op| op.invoke_us >= healed_us).step_by(4);
            after.for_each(|op| op.outcome = Outcome::Failed(ErrorKind::Http(503)));
        }
        prop_assert_eq!(verdicts(&run)["recovery"], Verdict::Fail);
        run.experiment.crowded.push(Span { from_us: healed_us, until_us });
        let expected = if fails { Verdict::Fail } else { Verdict::Unknown };
        prop_assert_eq!(verdicts(&run)["recovery"], expected);
        run.ops.iter_mut().filter(|op| op.invoke_us >= healed_us).for_each(|op| op.complete_us += 300_000);
        prop_assert_eq!(verdicts(&run)["recovery"], Verdict::Fail);
        // Other processes before the end of the fault excuse nothing.
        run.experiment.crowded = vec![Span { from_us: 0, until_us: healed_us }];
        prop_assert_eq!(verdicts(&run)["recovery"], Verdict::Fail);
    }

    #[test]
    fn one_slow_call_after_the_fault_is_no_relapse(shape in shapes()) {
        let mut run = Run::of(&shape);
        let at = run.first_from(run.fault().until_us + 5_500_000);
        run.ops[at].complete_us += 200_000;
        run.promises.after.truncate(1);
        only(&run, &[], Verdict::Pass)?;
    }

    #[test]
    fn one_slow_call_a_second_is_steady_and_one_slow_call_in_five_is_not(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.promises.after.truncate(1);
        let healed_us = run.fault().until_us;
        let after = |run: &Run, each: u64| -> Vec<usize> {
            let first = run.first_from(healed_us);
            (first..run.ops.len()).step_by(each as usize).collect()
        };
        for at in after(&run, shape.rate) {
            run.ops[at].complete_us += 200_000;
        }
        only(&run, &[], Verdict::Pass)?;
        for at in after(&run, 5) {
            run.ops[at].complete_us += 200_000;
        }
        prop_assert_eq!(verdicts(&run)["recovery"], Verdict::Fail);
    }

    #[test]
    fn an_organisation_that_used_up_its_limit_is_not_counted(shape in shapes(), asks_us in 50_000..200_000u64) {
        let mut run = Run::of(&shape);
        let fault = run.fault();
        let until_us = run.experiment.recovery.unwrap().until_us;
        // It is served until the middle of the fault and refused from then on; no other organisation is refused.
        let limit = (fault.from_us + fault.length_us() / 2) / asks_us;
        for number in 0..until_us / asks_us {
            let mut op = call(9, number * asks_us, shape.latency_us, true);
            op.tenant = "limited".into();
            if number >= limit {
                op.outcome = Outcome::Failed(ErrorKind::Quota);
            }
            run.ops.push(op);
        }
        run.promises.during.clear();
        run.promises.after.clear();
        let verdicts = verdicts(&run);
        for check in ["steady-state", "well-formed-errors", "recovery"] {
            prop_assert_eq!(verdicts[check], Verdict::Pass, "{}", check);
        }
        prop_assert_eq!(figures(&run).steady_us, figures(&Run::of(&shape)).steady_us);
    }

    #[test]
    fn a_load_that_ended_too_early_leaves_recovery_unknown(shape in shapes(), after_us in 0..2_900_000u64) {
        let mut run = Run::of(&shape);
        let until_us = run.fault().until_us + after_us;
        run.ops.retain(|op| op.invoke_us < until_us);
        run.experiment.recovery.as_mut().unwrap().until_us = until_us;
        let verdicts = verdicts(&run);
        prop_assert_eq!(verdicts["recovery"], Verdict::Unknown);
        prop_assert_eq!(verdicts["holds-after"], Verdict::Unknown);
    }

    #[test]
    fn errors_after_the_stack_was_steady_fail_holds_after(shape in shapes()) {
        let mut run = Run::of(&shape);
        let steady_us = run.fault().until_us + shape.back_us + 200_000;
        let after = run.ops.iter_mut().filter(|op| op.invoke_us >= steady_us).step_by(56);
        after.for_each(|op| op.outcome = Outcome::Failed(ErrorKind::Http(503)));
        only(&run, &["holds-after"], Verdict::Fail)?;
    }
}
