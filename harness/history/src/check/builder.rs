//! Collects what a check judges, and builds its finding.

use crate::figure::{Figure, FigureResult};
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::threshold::Threshold;
use crate::verdict::Verdict;
use crate::view::OpRef;

/// What a check has judged so far.
#[derive(Default)]
pub(super) struct FindingBuilder {
    /// Number of facts that were judged.
    pub(super) judged: u64,
    /// Number of judged facts that violate the check.
    pub(super) violations: u64,
    /// Number of facts that could not be judged.
    pub(super) open: u64,
    /// Number of violations that count even if the conditions of the run are in doubt.
    certain: u64,
    evidence: Vec<Evidence>,
    doubts: Vec<Evidence>,
}

impl FindingBuilder {
    /// Counts a violation. `what` is called only if the finding has room for more evidence.
    pub(super) fn violation(&mut self, what: impl FnOnce() -> String, ops: &[u32]) {
        self.violation_with(|| Evidence::of(what(), ops));
    }

    pub(super) fn violation_with(&mut self, evidence: impl FnOnce() -> Evidence) {
        self.violations += 1;
        if self.evidence.len() < Finding::MAX_EVIDENCE {
            self.evidence.push(evidence());
        }
    }

    /// Counts a violation of a bound that neither a stall, nor a busy machine, nor a late driver can explain.
    pub(super) fn certain_violation(&mut self, what: impl FnOnce() -> String, ops: &[u32]) {
        self.certain += 1;
        self.violation(what, ops);
    }

    /// Does the same as [`FindingBuilder::certain_violation`] for evidence that the caller builds.
    pub(super) fn certain_violation_with(&mut self, evidence: impl FnOnce() -> Evidence) {
        self.certain += 1;
        self.violation_with(evidence);
    }

    /// Returns true if a doubt about the run explains every violation.
    pub(super) const fn is_excusable(&self) -> bool {
        self.violations > 0 && self.certain == 0
    }

    /// Turns all violations into doubts, because of `why`.
    pub(super) fn excuse(&mut self, why: &str) {
        self.open += std::mem::take(&mut self.violations);
        let mut doubts = vec![Evidence::of(format!("counted as unknown, because {why}"), &[])];
        doubts.append(&mut self.evidence);
        doubts.append(&mut self.doubts);
        doubts.truncate(Finding::MAX_EVIDENCE);
        self.doubts = doubts;
    }

    /// Counts a fact that could not be judged. The reason `why` is shown if the violations leave room for it.
    pub(super) fn doubt(&mut self, why: impl Into<String>) {
        self.doubt_with(Evidence::of(why, &[]));
    }

    pub(super) fn doubt_with(&mut self, evidence: Evidence) {
        self.open += 1;
        if self.doubts.len() < Finding::MAX_EVIDENCE {
            self.doubts.push(evidence);
        }
    }

    /// Judges calls by thresholds and returns the figures; `None` if there is no threshold.
    pub(super) fn thresholds<'a, C: Iterator<Item = (u32, OpRef<'a>)>>(
        &mut self,
        thresholds: impl Iterator<Item = &'a Threshold>,
        history: &History,
        calls: impl Fn() -> C,
    ) -> Option<String> {
        let figures: Vec<String> = thresholds.map(|threshold| self.threshold(threshold, history, calls())).collect();
        (!figures.is_empty()).then(|| figures.join("; "))
    }

    fn threshold<'a>(
        &mut self,
        threshold: &Threshold,
        history: &History,
        calls: impl Iterator<Item = (u32, OpRef<'a>)>,
    ) -> String {
        let Some(figure) = Figure::of(threshold, history, calls) else {
            self.open += 1;
            return format!("{threshold}: there was no such call");
        };
        self.judged += figure.calls;
        match figure.result {
            FigureResult::Holds => {}
            FigureResult::Broken { evidence, certain } => {
                self.certain += u64::from(certain);
                self.violation_with(|| evidence);
            }
            FigureResult::NotMeasured => self.doubt(figure.text.clone()),
        }
        figure.text
    }

    /// Counts one fact as not judged, so that the check cannot pass, and returns the reason as the summary.
    pub(super) fn unknown(&mut self, why: &str) -> String {
        self.open += 1;
        why.to_owned()
    }

    /// Builds the finding: any violation is `fail`; anything open, or nothing judged, is `unknown`; else it is `pass`.
    pub(super) fn build(mut self, check: &str, summary: String) -> Finding {
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
            check: check.to_owned(),
            verdict,
            summary,
            judged: self.judged,
            violations: self.violations,
            evidence: self.evidence,
        }
    }
}
