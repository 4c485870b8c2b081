//! `pause`: SIGSTOP stops the process of a part, or its container is paused. Its connections stay open, and no request
//! is answered. The kernel accepts new connections into the backlog, so a caller waits until its own timeout.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use crate::stack::undo::{ContainerUndo, ProcessUndo, Undo};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    pub part: String,
}

impl Fault for Pause {
    fn kind(&self) -> &'static str {
        "pause"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn unavailable_parts(&self) -> Vec<&str> {
        vec![&self.part]
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            let running = injection.part(&self.part)?;
            let server = injection.stack.server(&running);
            let (undo, worker) = match (running.container.clone(), server) {
                (None, Some(server)) => (Undo::ResumeServer(server), None),
                (Some(container), _) => {
                    (Undo::Container(ContainerUndo { paused: true, ..ContainerUndo::of(container) }), None)
                }
                (None, None) => {
                    let (pid, started) = injection.worker(&running)?;
                    (Undo::Resume(ProcessUndo { pid, started }), Some(pid))
                }
            };
            let guard = injection.must_undo(undo)?;
            match worker {
                // The real service behind a liar, which the stack does not know, so `Stack::pause` cannot stop it.
                // SIGSTOP, because a process can neither catch nor ignore it.
                Some(pid) if running.pid != Some(pid) => {
                    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP)
                        .map_err(|error| injection.refused(error))?;
                }
                _ => injection.stack.pause(&self.part).await.map_err(|error| injection.stack_failed(error))?,
            }
            Ok(guard.into())
        })
    }
}
