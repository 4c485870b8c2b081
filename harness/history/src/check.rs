//! The checks, one file each: a check takes a whole history and returns one [`Finding`]. A new check is a file in `check/` and two lines here,
//! its `mod` and its place in [`ALL`]. No check knows another one.

mod all_faults_healed;
mod builder;
mod degraded_is_declared;
mod error_rate;
mod every_request_ends;
mod expectations_held;
mod fault_hit;
mod holds_after;
mod holds_during;
mod index_agrees;
mod latency;
mod no_duplicate_effects;
mod no_gap;
mod no_injection_without_verdict;
mod no_lost_writes;
mod no_phantom_reads;
mod no_risk_without_verdict;
mod no_secret_in_logs;
mod quota_bound;
mod read_your_writes;
mod readiness;
mod recovery;
mod register;
mod retry_amplification;
mod rule;
mod rules_in_force;
mod service_counters;
mod sessions;
mod steady_state;
mod tenant_isolation;
mod users_concurrent;
mod well_formed_errors;
mod withdrawn_not_used;

use crate::expectation::Expectation;
use crate::experiment::Promises;
use crate::finding::Finding;
use crate::history::History;
use crate::threshold::Threshold;
use crate::verdict::Verdict;
pub use quota_bound::Quota;
pub use rule::{Check, Property};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a run promised, besides what every run must keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Criteria {
    /// Bounds on figures of the measured phase.
    pub thresholds: Vec<Threshold>,
    /// Longest time without a call that ends well while calls wait; `None` if the run is not judged by it.
    pub most_gap_us: Option<u64>,
    /// Number of users that must be active at the same time; `None` if the load promises none.
    pub users: Option<u32>,
    /// Limits that must hold.
    pub quotas: Vec<Quota>,
    /// Number of calls that the service itself reports as admitted beyond the limit, by organisation. An example is its bypass counter.
    pub declared: BTreeMap<String, u64>,
    /// What a scenario expected; `None` if the run is not a scenario.
    pub expectations: Option<Vec<Expectation>>,
    /// What an experiment promised; `None` if the run is not an experiment.
    pub experiment: Option<Promises>,
    /// Names of the standing checks that must decide. An unknown finding of another standing check is dropped, such as that of isolation in
    /// a run of one organisation.
    pub required: Vec<String>,
}

/// Every check, in the order of reports.
pub const ALL: &[Check] = &[
    steady_state::CHECK,
    fault_hit::CHECK,
    all_faults_healed::CHECK,
    expectations_held::CHECK,
    register::CHECK,
    sessions::CHECK,
    index_agrees::CHECK,
    no_lost_writes::CHECK,
    read_your_writes::CHECK,
    no_phantom_reads::CHECK,
    no_duplicate_effects::CHECK,
    tenant_isolation::CHECK,
    no_injection_without_verdict::CHECK,
    no_risk_without_verdict::CHECK,
    degraded_is_declared::CHECK,
    rules_in_force::CHECK,
    withdrawn_not_used::CHECK,
    quota_bound::CHECK,
    error_rate::CHECK,
    latency::CHECK,
    no_gap::CHECK,
    users_concurrent::CHECK,
    holds_during::CHECK,
    every_request_ends::CHECK,
    well_formed_errors::CHECK,
    readiness::CHECK,
    retry_amplification::CHECK,
    service_counters::CHECK,
    no_secret_in_logs::CHECK,
    recovery::CHECK,
    holds_after::CHECK,
];

/// Runs every check, two at a time, and returns the findings of those that apply, in the order of the checks. A check that panics is unknown; the others
/// still run.
pub fn judge(history: &History, criteria: &Criteria) -> Vec<Finding> {
    judge_by(ALL, history, criteria)
}

fn judge_by(checks: &[Check], history: &History, criteria: &Criteria) -> Vec<Finding> {
    let is_reported = |check: &Check, finding: &Finding| {
        !check.is_standing()
            || finding.verdict != Verdict::Unknown
            || criteria.required.iter().any(|name| name == check.name)
    };
    let finding = |check: &Check| match check.try_run(history, criteria) {
        Ok(finding) => finding.filter(|finding| is_reported(check, finding)),
        Err(panicked) => Some(panicked),
    };
    // Two at a time, because each takes memory of its own beside the history (decision 0045).
    let next = AtomicUsize::new(0);
    let take = || {
        let mut findings = Vec::new();
        while let place = next.fetch_add(1, Ordering::Relaxed)
            && let Some(check) = checks.get(place)
        {
            findings.extend(finding(check).map(|finding| (place, finding)));
        }
        findings
    };
    let mut findings = std::thread::scope(|scope| {
        let beside = scope.spawn(take);
        let mut findings = take();
        findings.extend(beside.join().expect("a check that panics is caught"));
        findings
    });
    findings.sort_unstable_by_key(|(place, _)| *place);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// Returns the names of the checks that apply to every run.
pub fn standing() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|check| check.is_standing()).map(|check| check.name)
}

/// Returns the names of the standing checks of records that are written and read.
pub fn about_records() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|check| check.is_about_records()).map(|check| check.name)
}

#[cfg(test)]
mod tests {
    use super::rule::Rule;
    use super::{Check, Criteria, History, Verdict, error_rate, judge_by, users_concurrent};
    use crate::threshold::{Metric, Threshold};

    const PANICS: Check = Check {
        name: "panics",
        proves: "nothing",
        blind_to: &[],
        evidence: "none",
        rule: Rule::Standing(|history, _| format!("{:?}", history.op(7))),
    };

    #[test]
    fn a_check_that_panics_is_unknown_and_the_others_still_judge() {
        let threshold = Threshold { operation: None, metric: Metric::ErrorRate, below: 0.01 };
        let criteria = Criteria { thresholds: vec![threshold], users: Some(3), ..Criteria::default() };
        let checks = [error_rate::CHECK, PANICS, users_concurrent::CHECK];
        let findings = judge_by(&checks, &History::default(), &criteria);
        let names: Vec<&str> = findings.iter().map(|finding| finding.check.as_str()).collect();
        assert_eq!(names, ["error-rate", "panics", "users-concurrent"], "also if nothing requires it");
        assert_eq!(findings[1].verdict, Verdict::Unknown);
        assert!(findings[1].summary.contains("index out of bounds"), "{}", findings[1].summary);
        assert_eq!(PANICS.run(&History::default(), &criteria).as_ref(), Some(&findings[1]));
    }
}
