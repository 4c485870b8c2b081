//! The processes of a part that get its signals: one process, its whole group, or every process of a database server.

use crate::plan::topology::{Part, PartKind};
use crate::stack::StackRequest;
use crate::stack::undo::{EndUndo, Undo};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

pub(super) struct Family {
    pid: Pid,
    /// How the reaper ends them; its variant decides which processes they are.
    end: Undo,
}

impl Family {
    /// Returns the processes of a part, by the one that was started.
    pub(super) fn of(request: &StackRequest, part: &Part, (pid, started): (u32, u64)) -> Self {
        let process = EndUndo { part: part.name.clone(), pid, started };
        let end = match part.kind {
            PartKind::Service(_) | PartKind::Redis => Undo::EndProcess(process),
            // A target may be started by a launcher that does not pass signals on.
            PartKind::Target => Undo::EndGroup(process),
            PartKind::Postgres => Undo::EndServer(super::postgres::server(request, part, (pid, started))),
        };
        Self { pid: Pid::from_raw(pid.cast_signed()), end }
    }

    pub(super) fn must_end(&self) -> Undo {
        self.end.clone()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let _ = match &self.end {
            Undo::EndServer(server) => {
                server.signal(signal);
                Ok(())
            }
            Undo::EndGroup(_) => killpg(self.pid, signal),
            _ => kill(self.pid, signal),
        };
    }

    /// Asks the part to end.
    pub(super) fn ask_to_end(&self) {
        match &self.end {
            // After SIGTERM a server waits until its clients have gone. SIGINT makes it end their transactions and write a checkpoint; its first
            // process passes that on.
            Undo::EndServer(_) => drop(kill(self.pid, Signal::SIGINT)),
            _ => self.signal(Signal::SIGTERM),
        }
    }

    /// Returns true if a signal has stopped the part.
    pub(super) fn is_stopped(&self) -> bool {
        if let Undo::EndServer(server) = &self.end {
            return server.is_stopped();
        }
        let stat = procfs::process::Process::new(self.pid.as_raw()).and_then(|process| process.stat());
        stat.is_ok_and(|stat| stat.state == 'T')
    }
}
