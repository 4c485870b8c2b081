//! The guard of an injected fault.

use super::FaultKind;
use super::error::FaultError;
use super::injection::Injection;
use super::kind::{CountedHits, FaultResources};

/// A fault that acts. If the guard is dropped, it applies each undo that needs no waiting, and the watchdog applies the
/// others. A part that the fault has ended is not started again.
pub struct ActiveFault<'a> {
    fault: FaultKind,
    injection: Injection<'a>,
    resources: FaultResources,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healed {
    /// The number of requests that the fault hit and what counted them; `None` if nothing in this process counts them.
    pub hits: Option<CountedHits>,
}

impl<'a> ActiveFault<'a> {
    pub(super) const fn new(fault: FaultKind, injection: Injection<'a>, resources: FaultResources) -> Self {
        Self { fault, injection, resources }
    }

    /// The name of the fault, such as `kill redis`.
    pub fn name(&self) -> &str {
        &self.injection.name
    }

    /// Returns the number of requests that the fault has hit so far and what counted them; `None` if nothing in this
    /// process counts them.
    pub fn hits(&self) -> Option<CountedHits> {
        self.resources.hold.as_ref()?.hits()
    }

    /// Ends the fault and verifies that it has ended. A part that it stopped is ready again when this returns.
    ///
    /// # Errors
    /// The fault still acts, or the part does not become ready. An undo that failed stays in the undo log, and the
    /// watchdog tries again.
    pub async fn heal(mut self) -> Result<Healed, FaultError> {
        // The hold ends before the undo: its repeated command would inject the fault again.
        let hits = match self.resources.hold.take() {
            Some(hold) => hold.end().await,
            None => None,
        };
        // On an error `self` is dropped, which still undoes the older entries.
        while let Some(guard) = self.resources.undo.pop() {
            guard.undo().await.map_err(|error| self.injection.not_healed(error))?;
        }
        Box::pin(self.fault.get().recover(&self.injection)).await?;
        Ok(Healed { hits })
    }
}
