//! What every kind of fault must answer and do. Each kind is one type that implements [`Fault`], in a file of its own.

use super::error::FaultError;
use super::injection::Injection;
use super::problems::{needs_own_stack, unknown_part};
use crate::plan::Backend;
use crate::plan::topology::Topology;
use crate::stack::undo_log::UndoGuard;
use futures::future::BoxFuture;

/// A step of a fault: its injection, or its recovery.
pub(super) type Step<'f, T> = BoxFuture<'f, Result<T, FaultError>>;

/// A number of requests that a fault hit, and what counted them.
pub type CountedHits = (u64, String);

/// A kind of fault. The fields of the type are its keys in an experiment.
pub(super) trait Fault: Sync {
    /// The word of the kind in reports, such as `kill`, `latency` or `oom`.
    fn kind(&self) -> &'static str;

    /// A part, or a way such as `memory to redis`.
    fn target(&self) -> String;

    /// The parts that do not answer while the fault acts.
    fn takes_away(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The way on which the fault needs a proxy.
    fn way(&self) -> Option<(&str, &str)> {
        None
    }

    /// What is wrong with the settings on a stack with this topology; one line for each problem. By default the target is a part that must
    /// exist.
    fn problems(&self, topology: &Topology) -> Vec<String> {
        unknown_part(topology, &self.target())
    }

    /// Why this backend cannot do it, as the predicate of a sentence about the fault.
    fn unsupported(&self, backend: &Backend) -> Option<String> {
        needs_own_stack(backend)
    }

    /// Why this machine cannot do it, although the backend can.
    fn impossible_here(&self, _backend: &Backend) -> Option<String> {
        None
    }

    /// Injects the fault, which acts when this returns. [`Injection::must_undo`] comes before anything that outlives this process.
    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, Acting>;

    /// Brings back what the fault took away. Called when everything is undone.
    fn recover<'f>(&'f self, _injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// A fault that acts, as far as this process holds it.
#[derive(Default)]
pub(super) struct Acting {
    /// What must exist for the fault to act, if it lives in this process.
    pub(super) hold: Option<Box<dyn Hold>>,
    /// What must be undone, oldest first.
    pub(super) undo: Vec<UndoGuard>,
}

impl Acting {
    pub(super) fn held_by(hold: impl Hold + 'static) -> Self {
        Self { hold: Some(Box::new(hold)), undo: Vec::new() }
    }
}

impl Drop for Acting {
    /// Drops in the order of a heal; a `Vec` would drop its oldest entry first. An injection that fails half-way is undone by this.
    fn drop(&mut self) {
        drop(self.hold.take());
        while let Some(guard) = self.undo.pop() {
            drop(guard);
        }
    }
}

impl From<UndoGuard> for Acting {
    fn from(undo: UndoGuard) -> Self {
        Self { hold: None, undo: vec![undo] }
    }
}

/// Something of this process that keeps a fault acting. Dropped, it stops doing so.
pub(super) trait Hold: Send {
    fn hits(&self) -> Option<CountedHits> {
        None
    }

    /// Ends it and returns its last count.
    fn end(self: Box<Self>) -> BoxFuture<'static, Option<CountedHits>> {
        drop(self);
        Box::pin(async { None })
    }
}
