//! The verdicts of all checks on an experiment.

use crate::stack::Run;
use harness_history::{History, Verdict, judge};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Number of checks that the promises of [`Run`] call for.
const PROMISED_CHECKS: usize = 12;

pub(crate) fn verdicts(run: &Run) -> BTreeMap<String, Verdict> {
    let history = run.ops.iter().cloned().collect::<History>().with_experiment(run.experiment.clone());
    judge(&history, &run.criteria()).into_iter().map(|finding| (finding.check, finding.verdict)).collect()
}

/// Asserts that these checks have this verdict, and that all others pass.
pub(crate) fn only(run: &Run, checks: &[&str], verdict: Verdict) -> Result<(), TestCaseError> {
    let verdicts = verdicts(run);
    prop_assert!(verdicts.len() >= PROMISED_CHECKS, "{:?}", verdicts);
    for check in checks {
        prop_assert!(verdicts.contains_key(*check), "{}", check);
    }
    for (check, found) in verdicts {
        let expected = if checks.contains(&check.as_str()) { verdict } else { Verdict::Pass };
        prop_assert_eq!(found, expected, "{}", check);
    }
    Ok(())
}
