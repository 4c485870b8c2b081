//! Moves a process back to its control group.

use super::{PAUSE, UndoError};
use crate::stack::process_id::start_time;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::PathBuf;

/// The file of a group that lists its processes; a process id written to it moves that process into the group.
pub(crate) const MEMBERS: &str = "cgroup.procs";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupUndo {
    pub pid: u32,
    /// Start of the process, in clock ticks since boot.
    pub started: u64,
    /// Folder of the group in which the process was before the fault.
    pub from: PathBuf,
    /// Folder of the group that the harness made, which is removed.
    pub group: PathBuf,
}

impl GroupUndo {
    pub(super) async fn leave(&self) -> Result<(), UndoError> {
        // The process leaves first, because the kernel removes only an empty group.
        if start_time(self.pid) == Some(self.started) {
            match std::fs::write(self.from.join(MEMBERS), self.pid.to_string()) {
                Ok(()) => {}
                // The process has ended since its start time was read.
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32) => {}
                Err(error) => {
                    let folder = self.from.display();
                    return Err(UndoError(format!("process {} cannot be moved back to `{folder}`: {error}", self.pid)));
                }
            }
        }
        // Tried again, because the kernel reports a group as busy for a moment after its last process has left. The
        // deadline of all undos ends this loop.
        loop {
            match std::fs::remove_dir(&self.group) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ResourceBusy => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    return Err(UndoError(format!("`{}` cannot be removed: {error}", self.group.display())));
                }
            }
        }
    }
}
