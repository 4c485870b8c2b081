//! Figures of measured calls.

use crate::history::{call, verdict_of};
use harness_history::experiment::Span;
use harness_history::percentile::least_calls;
use harness_history::{Conditions, Criteria, History, Metric, Threshold, Verdict, judge};
use proptest::prelude::*;

fn bound(metric: Metric, below: f64) -> Criteria {
    Criteria { thresholds: vec![Threshold { operation: None, metric, below }], ..Criteria::default() }
}

proptest! {
    #[test]
    fn an_error_rate_is_the_share_of_calls_that_are_not_ok(calls in prop::collection::vec(any::<bool>(), 1..200), below in 0.01..1.0f64) {
        let rate = calls.iter().filter(|ok| !**ok).count() as f64 / calls.len() as f64;
        let expected = if rate < below { Verdict::Pass } else { Verdict::Fail };
        let ops = calls.into_iter().enumerate().map(|(number, ok)| call(0, number as u64 * 10, 5, ok)).collect();
        prop_assert_eq!(verdict_of("error-rate", ops, &bound(Metric::ErrorRate, below)), expected);
    }

    #[test]
    fn a_percentile_is_the_smallest_value_that_this_share_of_calls_does_not_exceed(
        took in prop::collection::vec(1..1_000_000u64, 1..200),
        percentile in prop::sample::select(vec![50.0, 90.0, 95.0, 99.0, 99.9]),
        below in 1..1_000_000u64,
    ) {
        let enough = |value: u64| took.iter().filter(|other| **other <= value).count() * 1_000 >= (percentile * 10.0) as usize * took.len();
        let value = took.iter().copied().filter(|value| enough(*value)).min().unwrap();
        let (least, slow) = (least_calls(percentile), took.iter().filter(|took| **took >= below).count());
        let expected = match (value < below, took.len() as u64 >= least) {
            (true, true) => Verdict::Pass,
            (false, true) => Verdict::Fail,
            (false, false) if slow >= 10 => Verdict::Fail,
            (_, false) => Verdict::Unknown,
        };
        let ops = took.iter().enumerate().map(|(number, took)| call(0, number as u64 * 2_000_000, *took, true)).collect();
        prop_assert_eq!(verdict_of("latency", ops, &bound(Metric::LatencyPercentile(percentile), below as f64)), expected);
    }

    #[test]
    fn other_processes_excuse_what_is_slow_while_they_run_and_nothing_else(from_s in 2..20u64, length_s in 1..6u64, elsewhere in any::<bool>()) {
        let crowded = Span { from_us: from_s * 1_000_000, until_us: (from_s + length_s) * 1_000_000 };
        let is_slow = |at: u64| crowded.holds(at) || (elsewhere && at / 1_000_000 == 35);
        let ops = (0..4_000).map(|number| call(0, number * 10_000, if is_slow(number * 10_000) { 900_000 } else { 4_000 }, true));
        let conditions = Conditions { crowded: vec![crowded], ..Conditions::default() };
        let history = ops.collect::<History>().with_conditions(conditions);
        let findings = judge(&history, &bound(Metric::LatencyPercentile(99.0), 500_000.0));
        let finding = findings.iter().find(|finding| finding.check == "latency").unwrap();
        prop_assert_eq!(finding.verdict, if elsewhere { Verdict::Fail } else { Verdict::Unknown }, "{}", finding.summary);
    }

    #[test]
    fn users_are_concurrent_if_their_spans_share_a_moment(spans in prop::collection::vec((0..50u64, 1..50u64), 1..20), promised in 1..20u32) {
        let at_once = |moment: u64| spans.iter().filter(|(from, took)| (*from..from + took).contains(&moment)).count();
        let most = (0..100).map(at_once).max().unwrap_or_default() as u32;
        let expected = if most >= promised { Verdict::Pass } else { Verdict::Fail };
        let ops = spans.iter().enumerate().map(|(process, (from, took))| call(process as u32, *from, *took, true)).collect();
        prop_assert_eq!(verdict_of("users-concurrent", ops, &Criteria { users: Some(promised), ..Criteria::default() }), expected);
    }
}
