//! The checks: one file each. Every check takes a whole history and says one [`Finding`].

mod error_rate;
mod latency;
mod no_lost_writes;
mod no_phantom_reads;
mod read_your_writes;
mod tenant_isolation;
mod users_concurrent;

use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::threshold::Threshold;
use crate::verdict::Verdict;

/// What a run promised, besides what every run must keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Criteria {
    /// Bounds on figures of the measured phase.
    pub thresholds: Vec<Threshold>,
    /// Users that must have been at work at the same time; `None` where the load promises no number.
    pub users: Option<u32>,
}

/// A check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name, as in findings and folders of fixtures.
    pub name: &'static str,
    /// What it makes sure of, in one sentence.
    pub about: &'static str,
    run: fn(&History, &Criteria) -> Option<Finding>,
}

impl Check {
    /// Judges a history; `None` where the criteria ask for nothing of this kind.
    pub fn run(&self, history: &History, criteria: &Criteria) -> Option<Finding> {
        (self.run)(history, criteria)
    }
}

/// Every check, in the order of reports.
pub const ALL: [Check; 7] = [
    no_lost_writes::CHECK,
    read_your_writes::CHECK,
    no_phantom_reads::CHECK,
    tenant_isolation::CHECK,
    error_rate::CHECK,
    latency::CHECK,
    users_concurrent::CHECK,
];

/// Runs every check.
pub fn judge(history: &History, criteria: &Criteria) -> Vec<Finding> {
    ALL.iter().filter_map(|check| check.run(history, criteria)).collect()
}

/// Collects what a check sees and turns it into a finding.
struct Judging {
    check: &'static str,
    judged: u64,
    violations: u64,
    evidence: Vec<Evidence>,
    /// Facts that could not be judged.
    open: u64,
}

impl Judging {
    fn new(check: &'static str) -> Self {
        Self { check, judged: 0, violations: 0, evidence: Vec::new(), open: 0 }
    }

    fn violation(&mut self, what: impl FnOnce() -> String, ops: &[u32]) {
        self.violations += 1;
        if self.evidence.len() < Finding::MAX_EVIDENCE {
            self.evidence.push(Evidence { what: what(), ops: ops.iter().copied().map(u64::from).collect() });
        }
    }

    /// Violations fail; something open, or nothing judged, is unknown.
    fn finding(self, summary: String) -> Finding {
        let verdict = if self.violations > 0 {
            Verdict::Fail
        } else if self.open > 0 || self.judged == 0 {
            Verdict::Unknown
        } else {
            Verdict::Pass
        };
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
