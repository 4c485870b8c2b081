//! How the steps of a workflow went: what its reply tells, and what its status follows from.

use crate::peer::{PeerError, PeerReply};
use mcp_contracts::orchestrator::{Reason, Step, StepName, StepOutcome};
use std::time::Instant;

/// A step that is being taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepTimer {
    step: StepName,
    began: Instant,
}

impl StepTimer {
    pub(super) fn begin(step: StepName) -> Self {
        Self { step, began: Instant::now() }
    }

    /// The step as it went.
    pub(super) fn end(self, outcome: StepOutcome, source: &str, attempts: u32) -> StepResult {
        let duration_ms = self.began.elapsed().as_secs_f64() * 1_000.0;
        let step = Step { step: self.step, outcome, source: source.to_owned(), duration_ms, attempts, detail: None };
        StepResult { step, reasons: Vec::new() }
    }

    /// The step of a call that went well.
    pub(super) fn ok<R>(self, source: &str, called: &PeerReply<R>) -> StepResult {
        self.end(StepOutcome::Ok, source, called.attempts)
    }

    /// The step that had nothing to do.
    pub(super) fn skipped(step: StepName, why: &str) -> StepResult {
        Self::begin(step).end(StepOutcome::Skipped, "none", 0).because(why)
    }
}

/// A step that was taken, and why the workflow is degraded by it, if it is.
#[derive(Debug, Clone)]
pub(super) struct StepResult {
    pub(super) step: Step,
    pub(super) reasons: Vec<Reason>,
}

impl StepResult {
    pub(super) fn because(mut self, detail: impl Into<String>) -> Self {
        self.step.detail = Some(detail.into());
        self
    }

    pub(super) fn degraded(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        self
    }
}

/// Every step so far.
#[derive(Debug, Default)]
pub(super) struct StepLog {
    steps: Vec<Step>,
    reasons: Vec<Reason>,
}

impl StepLog {
    pub(super) fn add(&mut self, step: StepResult) {
        self.steps.push(step.step);
        for reason in step.reasons {
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
    }

    /// Notes that nothing after this was tried.
    pub(super) fn skip(&mut self, steps: &[StepName], why: &str) {
        steps.iter().for_each(|step| self.add(StepTimer::skipped(*step, why)));
    }

    pub(super) fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Steps in the order of the lifecycle, whichever ended first.
    pub(super) fn into_parts(mut self) -> (Vec<Step>, Vec<Reason>) {
        self.steps.sort_by_key(|step| step.step);
        (self.steps, self.reasons)
    }
}

/// What the failure of a peer means for a workflow; `down` is the word for a peer that gave no usable answer.
pub(super) fn reason(error: &PeerError, down: Reason) -> Reason {
    match error {
        PeerError::Quota { .. } => Reason::QuotaExceeded,
        PeerError::Deadline => Reason::DeadlineExceeded,
        PeerError::Tool(error) if error.code == mcp_contracts::ErrorCode::QuotaExceeded => Reason::QuotaExceeded,
        _ => down,
    }
}
