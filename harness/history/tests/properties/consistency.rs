//! The checks of consistency: a store without a defect passes them all, and histories with one falsified fact do not.

use crate::history::every_standing_check;
use crate::simulation::{Habits, honest};
use harness_history::{History, Op, Verdict, judge};
use proptest::prelude::*;

/// Standing checks that judge records and find evidence in every simulated history.
const DECIDED: [&str; 4] = ["register", "sessions", "index-agrees", "no-lost-writes"];

fn habits() -> impl Strategy<Value = Habits> {
    (any::<bool>(), prop::sample::select(&[0, 4, 12][..]), any::<bool>())
        .prop_map(|(versions, unanswered, shared_ids)| Habits { versions, unanswered, shared_ids })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_store_without_a_defect_passes(seed in any::<u64>(), calls in 60..300usize, habits in habits()) {
        let ops = honest(seed, calls, habits);
        let history: History = ops.iter().cloned().collect();
        for finding in judge(&history, &every_standing_check()) {
            prop_assert_ne!(finding.verdict, Verdict::Fail, "{:?} {}", finding, shown(&ops, &finding.evidence[0].ops));
            if DECIDED.contains(&finding.check.as_str()) {
                prop_assert_eq!(finding.verdict, Verdict::Pass, "{:?}", finding);
            }
        }
    }
}

/// The operations of a finding, for the message of a test that failed.
fn shown(ops: &[Op], at: &[u64]) -> String {
    at.iter().map(|at| format!("\n{at}: {:?}", ops[*at as usize])).collect()
}
