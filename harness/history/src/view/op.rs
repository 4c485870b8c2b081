//! One call of a history.

use super::effect::EffectRef;
use crate::op::{Canary, ErrorKind, Op, Outcome, Phase};
use crate::store::{NONE, Store, User};

/// One call of a history; see [`Op`].
#[derive(Clone, Copy)]
pub struct OpRef<'h> {
    store: &'h Store,
    at: u32,
}

impl<'h> OpRef<'h> {
    pub(crate) const fn new(store: &'h Store, at: u32) -> Self {
        Self { store, at }
    }

    /// Number of the virtual user.
    pub fn process(self) -> u32 {
        self.store.caller(self.at).process
    }

    /// Organisation of the caller.
    pub fn tenant(self) -> &'h str {
        self.store.texts.get(self.caller().tenant)
    }

    /// User of the caller inside the organisation.
    pub fn user(self) -> &'h str {
        self.store.texts.get(self.caller().user)
    }

    /// Workspace of the caller; `None` if it is the default one.
    pub fn workspace(self) -> Option<&'h str> {
        let workspace = self.caller().workspace;
        (workspace != NONE).then(|| self.store.texts.get(workspace))
    }

    /// The caller. Equal callers are equal in organisation, user and workspace.
    pub(crate) fn caller(self) -> User {
        self.store.caller(self.at).user
    }

    /// Name of the operation.
    pub fn name(self) -> &'h str {
        self.store.name(self.at)
    }

    /// Phase of the run in which it was sent.
    pub fn phase(self) -> Phase {
        self.store.phase(self.at)
    }

    /// Planned time of the call; `None` unless it is a planned arrival.
    pub fn planned_us(self) -> Option<u64> {
        self.store.planned_us(self.at)
    }

    /// When it was sent.
    pub fn invoke_us(self) -> u64 {
        self.store.invoke_us(self.at)
    }

    /// When the reply was complete, or the client gave up.
    pub fn complete_us(self) -> u64 {
        self.store.complete_us(self.at)
    }

    /// How it ended.
    pub fn outcome(self) -> &'h Outcome {
        self.store.outcome(self.at)
    }

    /// Returns true if the service acknowledged the call.
    pub fn is_ok(self) -> bool {
        *self.outcome() == Outcome::Ok
    }

    /// What it wrote or read.
    pub fn effect(self) -> EffectRef<'h> {
        EffectRef::at(self.store, self.store.effect(self.at))
    }

    /// Marks of contents in the reply outside the records of its effect.
    pub fn strays(self) -> &'h [Canary] {
        let strays = &self.store.strays;
        strays.binary_search_by_key(&self.at, |(at, _)| *at).map_or(&[], |number| &strays[number].1)
    }

    /// Latency from the planned start in the open model, else from the send; microseconds.
    pub fn latency_us(self) -> u64 {
        self.complete_us().saturating_sub(self.planned_us().unwrap_or_else(|| self.invoke_us()))
    }

    /// Service time: from the send to the complete reply; microseconds.
    pub fn service_us(self) -> u64 {
        self.complete_us().saturating_sub(self.invoke_us())
    }

    /// Returns true if the latency of the call counts in percentiles: it ended well, or the client waited in vain until its deadline. Any other error is
    /// left out, because a fast refusal would pull a percentile down; error rates judge it.
    pub fn counts_for_latency(self) -> bool {
        matches!(
            self.outcome(),
            Outcome::Ok | Outcome::Failed(ErrorKind::Timeout) | Outcome::Unknown(ErrorKind::Timeout)
        )
    }

    /// Returns true if it did not end as it should; see [`Op::is_error`].
    pub fn is_error(self) -> bool {
        let outcome = self.outcome();
        *outcome != Outcome::Ok
            && !(outcome.is_version_conflict() && matches!(self.effect(), EffectRef::Update { expected: Some(_), .. }))
    }

    /// Returns the call as it was recorded.
    pub fn to_op(self) -> Op {
        Op {
            process: self.process(),
            tenant: self.tenant().into(),
            user: self.user().into(),
            workspace: self.workspace().map(Into::into),
            name: self.name().into(),
            phase: self.phase(),
            planned_us: self.planned_us(),
            invoke_us: self.invoke_us(),
            complete_us: self.complete_us(),
            outcome: self.outcome().clone(),
            strays: self.strays().to_vec(),
            effect: self.effect().to_effect(),
        }
    }
}

impl std::fmt::Debug for OpRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_op().fmt(f)
    }
}
