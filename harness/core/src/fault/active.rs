//! A fault that acts, as a guard.

use super::FaultKind;
use super::error::FaultError;
use super::injection::Injection;
use super::kind::{Acting, CountedHits};

/// A fault that acts. Dropped, it is undone at once as far as that needs no waiting, and the watchdog undoes the rest; a part that it ended
/// stays ended until its stack is stopped.
pub struct Active<'a> {
    fault: FaultKind,
    injection: Injection<'a>,
    acting: Acting,
}

/// The result of a fault that is healed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healed {
    /// The number of requests it hit and what counted them; `None` if nothing in this process counts them.
    pub hits: Option<CountedHits>,
}

impl<'a> Active<'a> {
    pub(super) const fn new(fault: FaultKind, injection: Injection<'a>, acting: Acting) -> Self {
        Self { fault, injection, acting }
    }

    /// The name of the fault, such as `kill redis`.
    pub fn name(&self) -> &str {
        &self.injection.name
    }

    /// The number of requests it hit so far and what counted them; `None` if nothing in this process counts them.
    pub fn hits(&self) -> Option<CountedHits> {
        self.acting.hold.as_ref()?.hits()
    }

    /// Ends the fault and verifies that it is gone. A part that it ended is ready again when this returns.
    ///
    /// # Errors
    /// The fault still acts, or the part does not come back. What is not undone stays in the undo log, and the watchdog tries again.
    pub async fn heal(mut self) -> Result<Healed, FaultError> {
        // What keeps the fault acting goes first: a command that is repeated would inject it again after the undo.
        let hits = match self.acting.hold.take() {
            Some(hold) => hold.end().await,
            None => None,
        };
        while let Some(guard) = self.acting.undo.pop() {
            guard.undo().await.map_err(|error| self.injection.not_healed(error))?;
        }
        Box::pin(self.fault.get().recover(&self.injection)).await?;
        Ok(Healed { hits })
    }
}
