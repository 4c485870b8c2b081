//! Keeps the services of a load within the CPU time and memory that the plan gives them.

use crate::fault::{ActiveFault, FaultError, FaultKind, Injector};
use crate::stack::Stack;
use std::path::Path;

/// Services that are limited until this ends.
pub(super) struct Limited<'a>(Vec<ActiveFault<'a>>);

impl<'a> Limited<'a> {
    pub(super) async fn start(stack: &'a Stack, run_dir: &Path) -> Result<Self, FaultError> {
        let injector = Injector::new(stack, run_dir);
        let mut limited = Vec::new();
        for limit in stack.request().topology.parts.iter().flat_map(FaultKind::of_limits) {
            // If one fails, those before it are dropped, which undoes them.
            limited.push(injector.inject(&limit).await?);
        }
        Ok(Self(limited))
    }

    /// Removes the limits, the newest first.
    pub(super) async fn end(mut self) -> Result<(), FaultError> {
        while let Some(limit) = self.0.pop() {
            limit.heal().await?;
        }
        Ok(())
    }
}
