//! The interface of a kind of fault to its surroundings: the stack, the undo log, and errors with the name of the
//! fault.

use super::error::FaultError;
use crate::stack::undo::Undo;
use crate::stack::undo_log::{UndoGuard, UndoLog};
use crate::stack::{RunningPart, Stack, StackError};
use std::sync::Arc;

pub(super) struct Injection<'a> {
    pub(super) stack: &'a Stack,
    log: Arc<UndoLog>,
    /// The name of the fault, for errors.
    pub(super) name: String,
}

impl<'a> Injection<'a> {
    pub(super) const fn new(stack: &'a Stack, log: Arc<UndoLog>, name: String) -> Self {
        Self { stack, log, name }
    }

    pub(super) fn part(&self, name: &str) -> Result<RunningPart, FaultError> {
        self.stack.part(name).ok_or_else(|| self.refused(format!("there is no part `{name}`")))
    }

    /// Returns the id and the start time of the process that does a part's work. If the part is a liar in front of a
    /// real service, this is the real service: the liar must stay able to lie about the fault.
    pub(super) fn worker(&self, part: &RunningPart) -> Result<(u32, u64), FaultError> {
        let (pid, started) = part
            .pid
            .zip(part.started)
            .ok_or_else(|| self.refused(format!("the process of `{}` is not visible from this machine", part.name)))?;
        let lies = self.stack.request().topology.part(&part.name).is_some_and(|part| !part.lies.is_empty());
        if !lies {
            return Ok((pid, started));
        }
        // The stack knows only the liar, which starts the real service as its child (decision 0012). A zombie has
        // ended.
        let processes = procfs::process::all_processes().map_err(|error| self.refused(error))?;
        let mut stats = processes.flatten().filter_map(|process| process.stat().ok());
        let child = stats.find(|stat| stat.ppid == pid.cast_signed() && stat.state != 'Z');
        let child =
            child.ok_or_else(|| self.refused(format!("the real service behind `{}` is not running", part.name)))?;
        Ok((child.pid.cast_unsigned(), child.starttime))
    }

    /// Records in the undo log how to undo the next change. Must be called before the change is made (decision 0016).
    pub(super) fn must_undo(&self, undo: Undo) -> Result<UndoGuard, FaultError> {
        Ok(self.log.must_undo(undo)?)
    }

    pub(super) async fn start_again(&self, part: &str) -> Result<(), FaultError> {
        self.stack.start_again(part).await.map(drop).map_err(|source| self.stack_failed(source))
    }

    /// Starts a part again if the fault has ended it.
    pub(super) async fn start_if_dead(&self, part: &str) -> Result<(), FaultError> {
        if self.stack.is_running(part).await {
            return Ok(());
        }
        // The stack does not notice when a part ends by itself, and refuses to start a part that it takes for running.
        // The kill makes it forget the dead process, and its error is of no interest.
        let _ = self.stack.kill(part).await;
        self.start_again(part).await
    }

    pub(super) fn refused(&self, why: impl ToString) -> FaultError {
        FaultError::Refused { fault: self.name.clone(), why: why.to_string() }
    }

    pub(super) fn no_effect(&self, why: impl ToString) -> FaultError {
        FaultError::NoEffect { fault: self.name.clone(), why: why.to_string() }
    }

    pub(super) fn not_healed(&self, why: impl ToString) -> FaultError {
        FaultError::NotHealed { fault: self.name.clone(), why: why.to_string() }
    }

    pub(super) fn stack_failed(&self, source: StackError) -> FaultError {
        FaultError::Stack { fault: self.name.clone(), source }
    }
}
