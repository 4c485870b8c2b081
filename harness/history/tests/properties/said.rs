//! What the checks say of an experiment.

use crate::stack::Run;
use harness_history::{History, Verdict, judge};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Every check that speaks of an experiment.
pub(crate) const CHECKS: [&str; 12] = [
    "steady-state",
    "fault-hit",
    "all-faults-healed",
    "holds-during",
    "every-request-ends",
    "well-formed-errors",
    "readiness-tells-the-truth",
    "retry-amplification",
    "counters-tell",
    "no-secret-in-logs",
    "recovery",
    "holds-after",
];

pub(crate) fn verdicts(run: &Run) -> BTreeMap<String, Verdict> {
    let history = run.ops.iter().cloned().collect::<History>().with_experiment(run.experiment.clone());
    judge(&history, &run.criteria()).into_iter().map(|finding| (finding.check, finding.verdict)).collect()
}

/// Holds that these checks say this, and all others pass.
pub(crate) fn only(run: &Run, checks: &[&str], verdict: Verdict) -> Result<(), TestCaseError> {
    let said = verdicts(run);
    for check in CHECKS {
        let expected = if checks.contains(&check) { verdict } else { Verdict::Pass };
        prop_assert_eq!(said.get(check), Some(&expected), "{}", check);
    }
    Ok(())
}
