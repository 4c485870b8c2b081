//! The checks: one file each. Every check takes a whole history and says one [`Finding`].

mod all_faults_healed;
mod counters_tell;
mod degraded_is_declared;
mod error_rate;
mod every_request_ends;
mod expectations_held;
mod fault_hit;
mod holds_after;
mod holds_during;
mod latency;
mod no_duplicate_effects;
mod no_injection_without_verdict;
mod no_lost_writes;
mod no_phantom_reads;
mod no_risk_without_verdict;
mod no_secret_in_logs;
mod outage;
mod quota_bound;
mod read_your_writes;
mod readiness_tells_the_truth;
mod recovery;
mod retry_amplification;
mod rules_in_force;
mod steady_state;
mod tenant_isolation;
mod users_concurrent;
mod well_formed_errors;
mod withdrawn_not_used;

use crate::expectation::Expectation;
use crate::experiment::{Experiment, Promises};
use crate::figure::Figure;
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::op::Op;
use crate::threshold::Threshold;
use crate::verdict::Verdict;
pub use quota_bound::Quota;
use std::collections::BTreeMap;

/// What a run promised, besides what every run must keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Criteria {
    /// Bounds on figures of the measured phase.
    pub thresholds: Vec<Threshold>,
    /// Users that must have been at work at the same time; `None` where the load promises no number.
    pub users: Option<u32>,
    /// Limits that must have held.
    pub quotas: Vec<Quota>,
    /// Calls of each organisation that the service itself says it let past its limit, such as those of its bypass counter.
    pub declared: BTreeMap<String, u64>,
    /// What a scenario expected; `None` where the run is no scenario.
    pub expectations: Option<Vec<Expectation>>,
    /// What an experiment promised; `None` where the run is none.
    pub experiment: Option<Promises>,
    /// Names of the standing checks that must come to a decision. The others are left out where they cannot, such as isolation in a run
    /// of one organisation.
    pub required: Vec<String>,
}

/// When a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It holds for every run that has something of its kind.
    Standing,
    /// It holds what the criteria ask for.
    Asked,
}

/// A check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name, as in findings and folders of fixtures.
    pub name: &'static str,
    /// What it makes sure of, in one sentence.
    pub about: &'static str,
    /// When it speaks.
    pub kind: Kind,
    run: fn(&History, &Criteria) -> Option<Finding>,
}

impl Check {
    /// Judges a history; `None` where the criteria ask for nothing of this kind.
    pub fn run(&self, history: &History, criteria: &Criteria) -> Option<Finding> {
        (self.run)(history, criteria)
    }
}

/// Every check, in the order of reports.
pub const ALL: [Check; 27] = [
    steady_state::CHECK,
    fault_hit::CHECK,
    all_faults_healed::CHECK,
    expectations_held::CHECK,
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
    users_concurrent::CHECK,
    holds_during::CHECK,
    every_request_ends::CHECK,
    well_formed_errors::CHECK,
    readiness_tells_the_truth::CHECK,
    retry_amplification::CHECK,
    counters_tell::CHECK,
    no_secret_in_logs::CHECK,
    recovery::CHECK,
    holds_after::CHECK,
];

/// Runs every check. A standing check that nothing decides and nobody requires says nothing.
pub fn judge(history: &History, criteria: &Criteria) -> Vec<Finding> {
    let speaks = |check: &Check, finding: &Finding| {
        check.kind == Kind::Asked
            || finding.verdict != Verdict::Unknown
            || criteria.required.iter().any(|name| name == check.name)
    };
    let said = |check: &Check| check.run(history, criteria).filter(|finding| speaks(check, finding));
    ALL.iter().filter_map(said).collect()
}

/// Names of the checks that hold for every run that has something of their kind.
pub fn standing() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|check| check.kind == Kind::Standing).map(|check| check.name)
}

/// Names of the standing checks about records that are written and read.
pub fn about_records() -> impl Iterator<Item = &'static str> {
    let about = [
        no_lost_writes::CHECK,
        read_your_writes::CHECK,
        no_phantom_reads::CHECK,
        no_duplicate_effects::CHECK,
        tenant_isolation::CHECK,
    ];
    about.into_iter().map(|check| check.name)
}

/// Judges an experiment; `None` where the run promised none, unknown where nothing of one was recorded.
fn of_experiment(
    check: &'static str,
    history: &History,
    criteria: &Criteria,
    judge: impl FnOnce(&Experiment, &Promises, Judging) -> Option<Finding>,
) -> Option<Finding> {
    let promises = criteria.experiment.as_ref()?;
    let judging = Judging::new(check);
    match history.experiment() {
        Some(experiment) => judge(experiment, promises, judging),
        None => Some(judging.unknown("nothing of the experiment was recorded")),
    }
}

/// Collects what a check sees and turns it into a finding.
struct Judging {
    check: &'static str,
    judged: u64,
    violations: u64,
    evidence: Vec<Evidence>,
    /// Facts that could not be judged.
    open: u64,
    doubts: Vec<Evidence>,
}

impl Judging {
    fn new(check: &'static str) -> Self {
        Self { check, judged: 0, violations: 0, evidence: Vec::new(), open: 0, doubts: Vec::new() }
    }

    fn violation(&mut self, what: impl FnOnce() -> String, ops: &[u32]) {
        self.broken(|| Evidence::of(what(), ops));
    }

    fn broken(&mut self, evidence: impl FnOnce() -> Evidence) {
        self.violations += 1;
        if self.evidence.len() < Finding::MAX_EVIDENCE {
            self.evidence.push(evidence());
        }
    }

    /// Something that could not be judged, and why; told as far as violations leave room.
    fn doubt(&mut self, evidence: Evidence) {
        self.open += 1;
        if self.doubts.len() < Finding::MAX_EVIDENCE {
            self.doubts.push(evidence);
        }
    }

    /// Judges whether calls keep below a threshold, and says how far they do.
    fn hold<'a>(&mut self, threshold: &Threshold, calls: impl Iterator<Item = (u32, &'a Op)>) -> String {
        let Some(figure) = Figure::of(threshold, calls) else {
            self.open += 1;
            return format!("{threshold}: no such call");
        };
        self.judged += figure.calls;
        if let Some(broken) = figure.broken {
            self.broken(|| broken);
        }
        figure.told
    }

    /// Nothing can be judged, for one reason.
    fn unknown(mut self, why: &str) -> Finding {
        self.open += 1;
        self.finding(why.to_owned())
    }

    /// Violations fail; something open, or nothing judged, is unknown.
    fn finding(mut self, summary: String) -> Finding {
        let verdict = if self.violations > 0 {
            Verdict::Fail
        } else if self.open > 0 || self.judged == 0 {
            Verdict::Unknown
        } else {
            Verdict::Pass
        };
        let room = Finding::MAX_EVIDENCE - self.evidence.len();
        self.evidence.extend(self.doubts.into_iter().take(room));
        Finding {
            check: self.check.to_owned(),
            verdict,
            summary,
            judged: self.judged,
            violations: self.violations,
            evidence: self.evidence,
        }
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
