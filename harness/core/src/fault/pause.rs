//! A part stands still: its process is stopped by a signal, or its container is paused. Connections to it stay open and nobody answers. Behind
//! a broken service that stands before it, the real one is stopped: what the broken one makes of its silence is what is tried.

use super::error::FaultError;
use super::injection::Injection;
use crate::stack::undo::{ContainerUndo, ProcessUndo, Undo, UndoGuard};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(super) async fn inject(injection: &Injection<'_>, part: &str) -> Result<UndoGuard, FaultError> {
    let running = injection.part(part)?;
    let undo = match running.container.clone() {
        Some(container) => {
            Undo::Container(ContainerUndo { container, paused: true, cpu_quota: None, memory: None, memory_swap: None })
        }
        None => {
            let (pid, started) = injection.worker(&running)?;
            Undo::Resume(ProcessUndo { pid, started })
        }
    };
    let behind = match &undo {
        Undo::Resume(worker) if running.pid != Some(worker.pid) => Some(worker.pid),
        _ => None,
    };
    let owed = injection.must_undo(undo)?;
    match behind {
        Some(pid) => {
            kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).map_err(|error| injection.refused(error))?;
        }
        None => injection.stack.pause(part).await.map_err(|error| injection.stack_failed(error))?,
    }
    Ok(owed)
}
