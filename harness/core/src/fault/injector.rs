//! Injects faults into a running stack, one after another or several at once.

use super::FaultKind;
use super::active::ActiveFault;
use super::error::FaultError;
use super::injection::Injection;
use crate::plan::run_dir;
use crate::stack::Stack;
use crate::stack::undo_log::UndoLog;
use std::path::Path;
use std::sync::Arc;

pub struct Injector<'a> {
    stack: &'a Stack,
    log: Arc<UndoLog>,
}

impl<'a> Injector<'a> {
    /// The undo log is written to `run_dir` if the stack has none of its own.
    pub fn new(stack: &'a Stack, run_dir: &Path) -> Self {
        // The log of the stack, so that one watchdog undoes the faults before it ends the parts.
        let own = || UndoLog::new(run_dir.join(run_dir::UNDO), &stack.request().executable);
        Self { stack, log: stack.undo_log().cloned().unwrap_or_else(own) }
    }

    /// Injects a fault. It acts when this returns.
    ///
    /// # Errors
    /// The fault cannot be injected. Everything that was changed for it is undone.
    pub async fn inject(&self, fault: &FaultKind) -> Result<ActiveFault<'a>, FaultError> {
        let injection = Injection::new(self.stack, Arc::clone(&self.log), fault.name());
        // An injection that fails half-way, or is cancelled here, drops its guards, which undo everything done so far.
        let resources = fault.get().inject(&injection).await?;
        Ok(ActiveFault::new(fault.clone(), injection, resources))
    }
}
