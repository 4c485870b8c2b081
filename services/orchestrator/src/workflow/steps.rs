//! The steps of a workflow. The reply lists them, and its status is derived from them.

use crate::peer::{PeerError, PeerReply};
use mcp_contracts::orchestrator::{Reason, Step, StepName, StepOutcome};
use std::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(super) struct StepTimer {
    step: StepName,
    began: Instant,
}

impl StepTimer {
    pub(super) fn begin(step: StepName) -> Self {
        Self { step, began: Instant::now() }
    }

    pub(super) fn end(self, outcome: StepOutcome, source: &str, attempts: u32) -> StepResult {
        let duration_ms = self.began.elapsed().as_secs_f64() * 1_000.0;
        let step = Step { step: self.step, outcome, source: source.to_owned(), duration_ms, attempts, detail: None };
        StepResult { step, reasons: Vec::new() }
    }

    pub(super) fn ok<R>(self, source: &str, called: &PeerReply<R>) -> StepResult {
        self.end(StepOutcome::Ok, source, called.attempts)
    }

    pub(super) fn skipped(step: StepName, why: &str) -> StepResult {
        Self::begin(step).end(StepOutcome::Skipped, "none", 0).with_detail(why)
    }
}

/// A step that ended, and the reasons why it degrades the workflow.
#[derive(Debug, Clone)]
pub(super) struct StepResult {
    pub(super) step: Step,
    pub(super) reasons: Vec<Reason>,
}

impl StepResult {
    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.step.detail = Some(detail.into());
        self
    }

    pub(super) fn degraded(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        self
    }
}

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

    pub(super) fn skip(&mut self, steps: &[StepName], why: &str) {
        steps.iter().for_each(|step| self.add(StepTimer::skipped(*step, why)));
    }

    pub(super) fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Returns the steps and the reasons. Sorts the steps into the order of the lifecycle, because some of them run concurrently.
    pub(super) fn into_parts(mut self) -> (Vec<Step>, Vec<Reason>) {
        self.steps.sort_by_key(|step| step.step);
        (self.steps, self.reasons)
    }
}

/// Returns the reason why a workflow is degraded by the failure of a peer: `down`, unless a quota or the deadline is the cause.
pub(super) fn reason(error: &PeerError, down: Reason) -> Reason {
    match error {
        PeerError::Quota { .. } => Reason::QuotaExceeded,
        PeerError::Deadline => Reason::DeadlineExceeded,
        PeerError::Tool(error) if error.code == mcp_contracts::ErrorCode::QuotaExceeded => Reason::QuotaExceeded,
        _ => down,
    }
}
