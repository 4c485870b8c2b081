//! Limits of organisations.

use crate::history::{call, effect, finding_of, verdict_of};
use harness_history::{Criteria, Effect, ErrorKind, Op, Outcome, Quota, Verdict};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_quota_fails_exactly_if_more_calls_were_admitted_than_allowed(
        ends in prop::collection::vec(0..3usize, 1..60), limit in 1..30u64,
    ) {
        let outcomes = [Outcome::Ok, Outcome::Failed(ErrorKind::Quota), Outcome::Unknown(ErrorKind::Timeout)];
        let admitted = ends.iter().filter(|end| **end == 0).count() as u64;
        let maybe = ends.iter().filter(|end| **end == 2).count() as u64;
        // An organisation that gets none of its calls is refused although it has calls left.
        let none = admitted + maybe == 0;
        let expected = if admitted > limit || none { Verdict::Fail } else if admitted + maybe > limit { Verdict::Unknown } else { Verdict::Pass };
        let ops = ends.iter().enumerate().map(|(at, end)| effect(at as u64 * 10, outcomes[*end].clone(), Effect::None)).collect();
        let quota = Quota { tenant: "acme".to_owned(), operations: Vec::new(), limit, window_us: None };
        let criteria = Criteria { quotas: vec![quota], ..Criteria::default() };
        prop_assert_eq!(verdict_of("quota-bound", ops, &criteria), expected);
    }

    #[test]
    fn fixed_windows_that_hold_never_fail_their_quota(
        limit in 1..10u64, begins in 0..1_000u64, counts in prop::collection::vec(0..10u64, 1..8),
    ) {
        // Windows of 1,000 us that begin anywhere, none of them above its limit.
        let mut ops = Vec::new();
        for (window, count) in counts.iter().enumerate() {
            let from = begins + window as u64 * 1_000;
            ops.extend((0..(*count).min(limit)).map(|number| effect(from + number * 90, Outcome::Ok, Effect::None)));
        }
        let quota = Quota { tenant: "acme".to_owned(), operations: Vec::new(), limit, window_us: Some(1_000) };
        prop_assert_ne!(verdict_of("quota-bound", ops, &Criteria { quotas: vec![quota], ..Criteria::default() }), Verdict::Fail);
    }

    #[test]
    fn an_excess_is_a_violation_exactly_if_it_is_not_declared(admitted in 1..40u64, limit in 1..30u64, declared in 0..20u64) {
        let ops: Vec<Op> = (0..admitted).map(|at| effect(at * 10, Outcome::Ok, Effect::None)).collect();
        let quota = Quota { tenant: "acme".to_owned(), operations: Vec::new(), limit, window_us: None };
        let declared_by = [("acme".to_owned(), declared), ("zeta".to_owned(), 100)].into();
        let criteria = Criteria { quotas: vec![quota], declared: declared_by, ..Criteria::default() };
        let finding = finding_of("quota-bound", &ops.into_iter().collect(), &criteria).unwrap();
        if admitted > limit + declared {
            prop_assert_eq!(finding.verdict, Verdict::Fail);
            let both = format!("{} too many, {declared} of them declared", admitted - limit);
            prop_assert!(finding.evidence[0].what.contains(&both), "{:?}", finding);
        } else {
            prop_assert_eq!(finding.verdict, Verdict::Pass);
        }
    }

    #[test]
    fn windows_exceed_their_limit_exactly_if_an_exhaustive_search_finds_no_begin_that_explains_all_calls(
        calls in prop::collection::vec((0..3_000u64, 0..1_500u64), 1..60), limit in 1..6u64, declared in 0..4u64,
    ) {
        const WINDOW_US: u64 = 1_000;
        let inside = |from: u64| calls.iter().filter(|(at, took)| *at >= from && at + took <= from + WINDOW_US).count() as u64;
        let busiest = calls.iter().map(|(at, _)| inside(*at)).max().unwrap();
        let within = |begin: u64, window: u64| {
            let from = (begin + window * WINDOW_US) as i64 - WINDOW_US as i64;
            let lies_in = |(at, took): &&(u64, u64)| *at as i64 >= from && ((at + took) as i64) < from + WINDOW_US as i64;
            calls.iter().filter(lies_in).count() as u64
        };
        let excess = |begin: u64| (0..6).map(|window| within(begin, window).saturating_sub(limit)).sum::<u64>();
        let least = (0..WINDOW_US).map(excess).min().unwrap();
        let expected = if busiest > limit * 2 + declared || least > declared { Verdict::Fail } else { Verdict::Pass };
        let ops: Vec<Op> = calls.iter().map(|(at, took)| call(0, *at, *took, true)).collect();
        let quota = Quota { tenant: "acme".to_owned(), operations: Vec::new(), limit, window_us: Some(WINDOW_US) };
        let declared = [("acme".to_owned(), declared)].into();
        let criteria = Criteria { quotas: vec![quota], declared, ..Criteria::default() };
        let finding = finding_of("quota-bound", &ops.into_iter().collect(), &criteria).unwrap();
        prop_assert_eq!(finding.verdict, expected);
        let admitted = format!("{busiest} call");
        prop_assert!(finding.summary.contains(&admitted), "{:?}", finding);
    }

    #[test]
    fn a_correct_limiter_of_fixed_windows_never_fails(
        limit in 1..5u64, begins in 0..1_000u64, calls in prop::collection::vec((1..400u64, 1..300u64, 0..300u64), 1..80),
    ) {
        let mut admitted = std::collections::BTreeMap::<u64, u64>::new();
        let (mut at, mut ops) = (0, Vec::new());
        for (pause, before, after) in calls {
            at += pause;
            let count = admitted.entry((at + before + begins) / 1_000).or_default();
            *count += 1;
            let outcome = if *count > limit { Outcome::Failed(ErrorKind::Quota) } else { Outcome::Ok };
            ops.push(Op { outcome, ..call(0, at, before + after, true) });
        }
        let quota = Quota { tenant: "acme".to_owned(), operations: Vec::new(), limit, window_us: Some(1_000) };
        let criteria = Criteria { quotas: vec![quota], ..Criteria::default() };
        let finding = finding_of("quota-bound", &ops.into_iter().collect(), &criteria).unwrap();
        prop_assert_ne!(finding.verdict, Verdict::Fail, "{:?}", finding);
    }
}
