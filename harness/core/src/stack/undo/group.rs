//! A process that was put into a control group of its own.

use super::{PAUSE, UndoError};
use crate::stack::reaper::start_time;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::PathBuf;

/// File of a group that lists its processes, and takes them in.
pub(crate) const MEMBERS: &str = "cgroup.procs";

/// A process that goes back to the group it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupUndo {
    /// The process.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// Folder of the group that it came from.
    pub from: PathBuf,
    /// Folder of our group, which is removed.
    pub group: PathBuf,
}

impl GroupUndo {
    pub(super) async fn leave(&self) -> Result<(), UndoError> {
        if start_time(self.pid) == Some(self.started) {
            match std::fs::write(self.from.join(MEMBERS), self.pid.to_string()) {
                Ok(()) => {}
                // It ended meanwhile.
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32) => {}
                Err(error) => {
                    let folder = self.from.display();
                    return Err(UndoError(format!("process {} cannot go back to `{folder}`: {error}", self.pid)));
                }
            }
        }
        // A group is busy for a moment after its last process has left.
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
