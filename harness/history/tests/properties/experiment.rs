//! An experiment that went as promised passes every check. With one fact falsified, the check of that fact alone fails, or is unknown if the
//! evidence is gone.

use crate::stack::{FALLS_BACK, KILLED, Run, UNTOUCHED, counter, shapes};
use crate::verdicts::{only, verdicts};
use harness_history::experiment::LeakedSecret;
use harness_history::{ErrorKind, Outcome, Verdict};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_experiment_that_went_as_promised_passes_every_check(shape in shapes()) {
        only(&Run::of(&shape), &[], Verdict::Pass)?;
    }

    #[test]
    fn a_load_that_was_not_the_planned_one_leaves_steady_state_unknown(shape in shapes(), errors in any::<bool>()) {
        let mut run = Run::of(&shape);
        if errors {
            let refused = run.ops.iter_mut().filter(|op| op.invoke_us < shape.steady_us).step_by(40);
            refused.for_each(|op| op.outcome = Outcome::Failed(ErrorKind::Quota));
        } else {
            run.promises.rate_per_second *= 1.1;
        }
        only(&run, &["steady-state"], Verdict::Unknown)?;
    }

    #[test]
    fn a_slow_stack_before_the_fault_leaves_steady_state_unknown(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.promises.steady[1].below = shape.latency_us as f64;
        only(&run, &["steady-state"], Verdict::Unknown)?;
    }

    #[test]
    fn a_fault_with_too_few_hits_leaves_fault_hit_unknown(shape in shapes(), hits in prop::option::of(0..5u64)) {
        let mut run = Run::of(&shape);
        run.experiment.faults[0].hits = hits;
        only(&run, &["fault-hit"], Verdict::Unknown)?;
    }

    #[test]
    fn an_aborted_run_leaves_fault_hit_unknown(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.experiment.aborted = Some("more than half of the calls failed".to_owned());
        only(&run, &["fault-hit"], Verdict::Unknown)?;
    }

    #[test]
    fn a_fault_that_was_never_removed_fails(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.experiment.faults[0].healed_us = None;
        let verdicts = verdicts(&run);
        prop_assert_eq!(verdicts["all-faults-healed"], Verdict::Fail);
        for open in ["recovery", "holds-after", "readiness-tells-the-truth"] {
            prop_assert_eq!(verdicts[open], Verdict::Unknown, "{}", open);
        }
    }

    #[test]
    fn a_fault_that_was_gone_too_early_fails(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.experiment.faults[0].healed_us = run.experiment.faults[0].ending_us.map(|ending| ending - 1);
        prop_assert_eq!(verdicts(&run)["all-faults-healed"], Verdict::Fail);
    }

    #[test]
    fn without_a_fault_the_checks_of_faults_are_unknown(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.experiment.faults.clear();
        let verdicts = verdicts(&run);
        for open in ["fault-hit", "all-faults-healed", "recovery", "holds-after"] {
            prop_assert_eq!(verdicts[open], Verdict::Unknown, "{}", open);
        }
    }

    #[test]
    fn slow_calls_during_the_fault_fail_holds_during(shape in shapes()) {
        let mut run = Run::of(&shape);
        let fault = run.fault();
        run.ops.iter_mut().filter(|op| fault.holds(op.invoke_us)).for_each(|op| op.complete_us += 100_000);
        only(&run, &["holds-during"], Verdict::Fail)?;
    }

    #[test]
    fn one_call_beyond_the_bound_fails_every_request_ends(shape in shapes(), unanswered in any::<bool>()) {
        let mut run = Run::of(&shape);
        let at = run.first_from(run.fault().from_us);
        run.ops[at].complete_us = run.ops[at].invoke_us + 1_000_001;
        if unanswered {
            run.ops[at].outcome = Outcome::Unknown(ErrorKind::Timeout);
            run.promises.errors.push("timeout".to_owned());
        }
        run.promises.during.truncate(1);
        only(&run, &["every-request-ends"], Verdict::Fail)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn one_error_that_is_not_allowed_fails_well_formed_errors(shape in shapes(), which in 0..6usize) {
        let kinds = [
            ErrorKind::Malformed("not JSON".into()),
            ErrorKind::JsonRpc(-32_603),
            ErrorKind::Http(500),
            ErrorKind::Http(502),
            ErrorKind::Tool("storage_full".into()),
            ErrorKind::Reset,
        ];
        let mut run = Run::of(&shape);
        let at = run.first_from(run.fault().from_us);
        run.ops[at].outcome = Outcome::Failed(kinds[which].clone());
        only(&run, &["well-formed-errors"], Verdict::Fail)?;
        // The name of a group allows ordinary errors; the first three must be allowed by their own names.
        run.promises.errors.extend(["http", "json_rpc", "is_error", "reset"].map(str::to_owned));
        let only_by_name = matches!(which, 0..3);
        only(&run, &["well-formed-errors"], if only_by_name { Verdict::Fail } else { Verdict::Pass })?;
        run.promises.errors.extend(["malformed", "json_rpc_-32603", "http_500"].map(str::to_owned));
        only(&run, &[], Verdict::Pass)?;
    }

    #[test]
    fn an_error_before_the_fault_fails_although_it_is_allowed_during_it(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.promises.steady.clear();
        run.ops[0].outcome = Outcome::Failed(ErrorKind::Http(503));
        only(&run, &["well-formed-errors"], Verdict::Fail)?;
        run.ops[0].outcome = Outcome::Failed(ErrorKind::Quota);
        only(&run, &[], Verdict::Pass)?;
    }

    #[test]
    fn three_wrong_probes_in_a_row_fail_readiness_and_two_do_not(shape in shapes(), which in 0..4usize, three in any::<bool>()) {
        let mut run = Run::of(&shape);
        let (fault, last) = (run.fault(), run.experiment.probes.last().unwrap().sent_us);
        let count = if three { 3 } else { 2 };
        match which {
            // It reports no missing dependency while it has fallen back.
            0 => run.change_probes(FALLS_BACK, fault.from_us + 400_000, count, |probe| probe.degraded = false),
            // A probe of a part that is gone is answered.
            1 => run.change_probes(KILLED, fault.from_us + 400_000, count, |probe| probe.ready = Some(503)),
            // A part that the fault does not touch does not answer.
            2 => run.change_probes(UNTOUCHED, fault.until_us + 100_000, count, |probe| probe.live = None),
            // A part is not ready at the end.
            _ => run.change_probes(KILLED, last - 200_000, count, |probe| probe.ready = Some(503)),
        }
        // Not being ready in the last probes stays open, because nothing after them shows that it was a moment.
        match (three, which) {
            (true, _) => only(&run, &["readiness-tells-the-truth"], Verdict::Fail)?,
            (false, 3) => only(&run, &["readiness-tells-the-truth"], Verdict::Unknown)?,
            (false, _) => only(&run, &[], Verdict::Pass)?,
        }
    }

    #[test]
    fn a_part_without_probes_leaves_readiness_unknown(shape in shapes(), part in prop::sample::select(vec![KILLED, FALLS_BACK, UNTOUCHED])) {
        let mut run = Run::of(&shape);
        run.experiment.probes.retain(|probe| probe.part != part);
        only(&run, &["readiness-tells-the-truth"], Verdict::Unknown)?;
    }

    #[test]
    fn more_requests_than_allowed_fail_retry_amplification(shape in shapes()) {
        let mut run = Run::of(&shape);
        let way = &mut run.experiment.ways[0];
        way.requests = way.calls * 3 / 2 + 1;
        only(&run, &["retry-amplification"], Verdict::Fail)?;
        run.experiment.ways[0].calls = 0;
        only(&run, &["retry-amplification"], Verdict::Unknown)?;
        run.experiment.ways.clear();
        prop_assert!(!verdicts(&run).contains_key("retry-amplification"));
    }

    #[test]
    fn a_counter_is_judged_by_its_growth(shape in shapes(), grew in prop::option::of(-20..20i32), least in 1..20i32) {
        let mut run = Run::of(&shape);
        run.experiment.counters = vec![counter(100.0, grew.map(|grew| 100.0 + f64::from(grew)))];
        run.promises.counters[0].at_least = Some(f64::from(least));
        // A counter that went down restarted with its part.
        let expected = match grew {
            None | Some(i32::MIN..0) => Verdict::Unknown,
            Some(grew) if grew < least => Verdict::Fail,
            Some(_) => Verdict::Pass,
        };
        only(&run, &["counters-tell"], expected)?;
        run.experiment.counters.clear();
        only(&run, &["counters-tell"], Verdict::Unknown)?;
    }

    #[test]
    fn one_secret_in_a_log_fails_and_without_searched_logs_the_check_is_unknown(shape in shapes()) {
        let mut run = Run::of(&shape);
        let (log, what) = ("memory.log".to_owned(), "token".to_owned());
        run.experiment.secrets.push(LeakedSecret { log, line: 7, what });
        only(&run, &["no-secret-in-logs"], Verdict::Fail)?;
        run.experiment.secrets.clear();
        run.experiment.log_lines = 0;
        only(&run, &["no-secret-in-logs"], Verdict::Unknown)?;
        run.experiment.logs_elsewhere = true;
        prop_assert!(!verdicts(&run).contains_key("no-secret-in-logs"));
    }

    #[test]
    fn parts_without_pages_of_health_are_not_judged_unless_the_experiment_promises_something(shape in shapes()) {
        let mut run = Run::of(&shape);
        run.experiment.probes.clear();
        run.experiment.unprobed = true;
        let promised = !run.promises.readiness.is_empty() || run.promises.notice_us.is_some();
        prop_assert_eq!(verdicts(&run).get("readiness-tells-the-truth").copied(), promised.then_some(Verdict::Unknown));
        run.experiment.unprobed = false;
        prop_assert_eq!(verdicts(&run).get("readiness-tells-the-truth").copied(), Some(Verdict::Unknown));
    }
}
