//! The trait [`Fault`], which every kind of fault implements: one type in a file of its own.

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

    /// Returns one line for each problem of the settings on a stack with this topology. The default is for a fault whose target is a part: the
    /// part must exist.
    fn problems(&self, topology: &Topology) -> Vec<String> {
        unknown_part(topology, &self.target())
    }

    /// Returns why this backend cannot inject the fault, as the predicate of a sentence with the fault as its subject; `None` if it can.
    fn unsupported(&self, backend: &Backend) -> Option<String> {
        needs_own_stack(backend)
    }

    /// Returns why this machine cannot inject the fault although the backend can; `None` if it can.
    fn impossible_here(&self, _backend: &Backend) -> Option<String> {
        None
    }

    /// Injects the fault. It acts once this has returned. [`Injection::must_undo`] must be called before any change that outlives this process.
    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, Acting>;

    /// Restores what the undo does not, such as a part that must be started again. Called after every undo was applied.
    fn recover<'f>(&'f self, _injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// The resources of this process that belong to an injected fault.
#[derive(Default)]
pub(super) struct Acting {
    /// Keeps the fault acting, if the fault exists only in this process.
    pub(super) hold: Option<Box<dyn Hold>>,
    /// The entries of the undo log, oldest first.
    pub(super) undo: Vec<UndoGuard>,
}

impl Acting {
    pub(super) fn held_by(hold: impl Hold + 'static) -> Self {
        Self { hold: Some(Box::new(hold)), undo: Vec::new() }
    }
}

impl Drop for Acting {
    /// Drops in the order of a heal, newest entry first; a `Vec` would drop its oldest entry first. This also undoes an injection that failed
    /// half-way.
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

/// Keeps a fault acting from this process, until it is dropped.
pub(super) trait Hold: Send {
    fn hits(&self) -> Option<CountedHits> {
        None
    }

    /// Ends the fault and returns the final number of hits.
    fn end(self: Box<Self>) -> BoxFuture<'static, Option<CountedHits>> {
        drop(self);
        Box::pin(async { None })
    }
}
