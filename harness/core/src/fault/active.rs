//! A fault that acts, as a guard.

use super::error::FaultError;
use super::redis;
use crate::stack::Stack;
use crate::stack::undo::UndoGuard;
use chaos_proxy::Guard;
use std::fs::File;

/// A fault that acts. Dropped, it is undone as far as that takes no waiting, and the watchdog does the rest at once; a part that was ended
/// stays so until its stack is stopped.
pub struct Active<'a> {
    stack: &'a Stack,
    name: String,
    held: Option<Held>,
    owed: Vec<UndoGuard>,
}

/// What keeps a fault acting.
pub(super) enum Held {
    /// Nothing: it is over, or what is owed is all there is.
    Nothing,
    /// A part that has ended and is started again.
    Ended {
        /// The part.
        part: String,
    },
    /// A part that may be ended by what is done to it.
    Endangered {
        /// The part.
        part: String,
    },
    /// A rule of a proxy.
    Rule(Guard),
    /// A lock on a file.
    Lock {
        /// The file; closed, the lock is gone.
        _file: File,
    },
    /// What goes on at a Redis.
    Redis(redis::Acting),
}

/// What is known of a fault that is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healed {
    /// How many requests it hit and who counted them, where that could be counted.
    pub hits: Option<(u64, String)>,
}

impl<'a> Active<'a> {
    pub(super) const fn new(stack: &'a Stack, name: String, held: Held, owed: Vec<UndoGuard>) -> Self {
        Self { stack, name, held: Some(held), owed }
    }

    /// Its name, such as `kill redis`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests it hit so far and who counted them; `None` where nothing here can count them.
    pub fn hits(&self) -> Option<(u64, String)> {
        match self.held.as_ref()? {
            Held::Rule(guard) => Some(super::network::hits(guard)),
            Held::Nothing | Held::Ended { .. } | Held::Endangered { .. } | Held::Lock { .. } | Held::Redis(_) => None,
        }
    }

    /// Ends the fault and makes sure that it is gone; a part that it had ended is ready again.
    ///
    /// # Errors
    /// It is still there, or the part does not come back; what is owed is left to the watchdog and the journal.
    pub async fn heal(mut self) -> Result<Healed, FaultError> {
        let mut healed = Healed { hits: self.hits() };
        let held = self.held.take();
        match held {
            // What it hit between the question above and its end counts too.
            Some(Held::Rule(guard)) => {
                let rule = guard.rule().clone();
                healed.hits = Some(super::network::counted(&rule, guard.remove()));
                self.settle().await?;
            }
            Some(Held::Ended { part }) => {
                self.settle().await?;
                self.start_again(&part).await?;
            }
            Some(Held::Endangered { part }) => {
                self.settle().await?;
                if !self.stack.lives(&part).await {
                    // What is left of it is cleared away before it is started.
                    let _ = self.stack.kill(&part).await;
                    self.start_again(&part).await?;
                }
            }
            Some(Held::Redis(acting)) => {
                let url = acting.end().await;
                self.settle().await?;
                redis::serves(&url).await.map_err(|why| FaultError::NotHealed { fault: self.name.clone(), why })?;
            }
            Some(Held::Lock { .. } | Held::Nothing) | None => {
                drop(held);
                self.settle().await?;
            }
        }
        Ok(healed)
    }

    /// Undoes what is owed, the last first.
    async fn settle(&mut self) -> Result<(), FaultError> {
        while let Some(owed) = self.owed.pop() {
            let undone = owed.undo().await;
            undone.map_err(|error| FaultError::NotHealed { fault: self.name.clone(), why: error.to_string() })?;
        }
        Ok(())
    }

    async fn start_again(&self, part: &str) -> Result<(), FaultError> {
        let started = Box::pin(self.stack.start_again(part)).await;
        started.map(|_| ()).map_err(|source| FaultError::Stack { fault: self.name.clone(), source })
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        // What keeps it acting goes first, then what is owed, the last first.
        drop(self.held.take());
        while let Some(owed) = self.owed.pop() {
            drop(owed);
        }
    }
}
