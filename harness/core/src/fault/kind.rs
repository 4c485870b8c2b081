//! The trait [`Fault`], which every kind of fault implements: one type in a file of its own.

use super::error::FaultError;
use super::injection::Injection;
use super::problems::{needs_own_stack, unknown_part};
use crate::plan::Backend;
use crate::plan::topology::Topology;
use crate::stack::undo_log::UndoGuard;
use futures::future::BoxFuture;

/// A step of a fault: its injection, or its recovery.
// Boxed, because a trait with `async fn` cannot be used as `dyn Fault`.
pub(super) type Step<'f, T> = BoxFuture<'f, Result<T, FaultError>>;

/// A number of requests that a fault hit, and what counted them.
pub type CountedHits = (u64, String);

/// A kind of fault. The fields of the type are its keys in an experiment.
pub(super) trait Fault: Sync {
    /// Returns the kind as reports show it, such as `kill`, `latency` or `oom`.
    fn kind(&self) -> &'static str;

    /// Returns the name of a part, or an edge such as `memory to redis`.
    fn target(&self) -> String;

    /// Returns the parts that do not answer while the fault acts.
    fn unavailable_parts(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns both ends of the edge on which the fault needs a proxy; `None` if it needs none.
    fn edge(&self) -> Option<(&str, &str)> {
        None
    }

    /// Returns one line for each problem of the fault's settings on this topology. The default suits a fault whose
    /// target is a part: the part must exist.
    fn problems(&self, topology: &Topology) -> Vec<String> {
        unknown_part(topology, &self.target())
    }

    /// Returns why this backend cannot inject the fault, as the predicate of a sentence whose subject is the fault,
    /// such as `needs a stack that the harness started`; `None` if it can.
    fn unsupported(&self, backend: &Backend) -> Option<String> {
        needs_own_stack(backend)
    }

    /// Returns why this machine cannot inject the fault although the backend can; `None` if it can.
    fn unavailable_on_machine(&self, _backend: &Backend) -> Option<String> {
        None
    }

    /// Injects the fault. It acts when this returns. [`Injection::must_undo`] must be called before any change that
    /// would outlive this process.
    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources>;

    /// Restores what an undo cannot restore, such as a part that must be started again. Called after every undo was
    /// applied.
    fn recover<'f>(&'f self, _injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// The resources of this process that keep a fault acting, and the entries of the undo log that undo it.
#[derive(Default)]
pub(super) struct FaultResources {
    /// Keeps the fault acting, if the fault exists only in this process.
    pub(super) hold: Option<Box<dyn FaultHold>>,
    /// The entries of the undo log, oldest first.
    pub(super) undo: Vec<UndoGuard>,
}

impl FaultResources {
    pub(super) fn held_by(hold: impl FaultHold + 'static) -> Self {
        Self { hold: Some(Box::new(hold)), undo: Vec::new() }
    }
}

impl Drop for FaultResources {
    /// Undoes the fault in the order of a heal: the hold first, then the newest entry. Also undoes an injection that
    /// failed half-way.
    fn drop(&mut self) {
        drop(self.hold.take());
        // By hand, because a `Vec` drops its oldest entry first.
        while let Some(guard) = self.undo.pop() {
            drop(guard);
        }
    }
}

impl From<UndoGuard> for FaultResources {
    fn from(undo: UndoGuard) -> Self {
        Self { hold: None, undo: vec![undo] }
    }
}

/// Keeps a fault acting from this process, until it is dropped.
pub(super) trait FaultHold: Send {
    fn hits(&self) -> Option<CountedHits> {
        None
    }

    /// Ends the fault and returns the final number of hits.
    fn end(self: Box<Self>) -> BoxFuture<'static, Option<CountedHits>> {
        drop(self);
        Box::pin(async { None })
    }
}
