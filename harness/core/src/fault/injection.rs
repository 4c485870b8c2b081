//! The injection of one fault, as its kind sees it: the stack, and the undo log.

use super::error::FaultError;
use crate::stack::undo::Undo;
use crate::stack::undo_log::{UndoGuard, UndoLog};
use crate::stack::{RunningPart, Stack, StackError};
use std::sync::Arc;

/// One fault that is being injected or healed.
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

    /// Returns the id and the start time of the process that does a part's work. If a broken service stands before the real one, that is
    /// the real one: the broken one must stay able to lie about its silence.
    pub(super) fn worker(&self, part: &RunningPart) -> Result<(u32, u64), FaultError> {
        let (pid, started) = part
            .pid
            .zip(part.started)
            .ok_or_else(|| self.refused(format!("the process of `{}` is not visible from this machine", part.name)))?;
        let lies = self.stack.request().topology.part(&part.name).is_some_and(|part| !part.lies.is_empty());
        if !lies {
            return Ok((pid, started));
        }
        let processes = procfs::process::all_processes().map_err(|error| self.refused(error))?;
        let mut stats = processes.flatten().filter_map(|process| process.stat().ok());
        let child = stats.find(|stat| stat.ppid == pid.cast_signed() && stat.state != 'Z');
        let child =
            child.ok_or_else(|| self.refused(format!("the real service behind `{}` is not running", part.name)))?;
        Ok((child.pid.cast_unsigned(), child.starttime))
    }

    /// Writes down how to undo what the kind does next. Must be called before it is done.
    pub(super) fn must_undo(&self, undo: Undo) -> Result<UndoGuard, FaultError> {
        Ok(self.log.must_undo(undo)?)
    }

    pub(super) async fn start_again(&self, part: &str) -> Result<(), FaultError> {
        self.stack.start_again(part).await.map(drop).map_err(|source| self.stack_failed(source))
    }

    /// Starts a part again if the fault has ended it.
    pub(super) async fn start_if_dead(&self, part: &str) -> Result<(), FaultError> {
        if self.stack.lives(part).await {
            return Ok(());
        }
        // The stack still counts a part that ended by itself as running, and refuses to start it; the kill clears that.
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
