//! What was done to a process of this machine: it was stopped, or its limits were changed. A later process with the same number is left alone.

use super::{PAUSE, UndoError};
use crate::stack::reaper::start_time;
use nix::sys::signal::{Signal, kill};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde::{Deserialize, Serialize};

/// What the system says of a process that a signal has stopped.
const STOPPED: char = 'T';

/// A process that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUndo {
    /// The process.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

impl ProcessUndo {
    pub(super) fn resume(&self) -> Result<(), UndoError> {
        if start_time(self.pid) != Some(self.started) {
            return Ok(());
        }
        match kill(nix::unistd::Pid::from_raw(self.pid.cast_signed()), Signal::SIGCONT) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(UndoError(format!("process {} cannot be resumed: {error}", self.pid))),
        }
    }

    pub(super) async fn resume_surely(&self) -> Result<(), UndoError> {
        self.resume()?;
        while start_time(self.pid) == Some(self.started) && state(self.pid) == Some(STOPPED) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

fn state(pid: u32) -> Option<char> {
    procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.stat()).ok().map(|stat| stat.state)
}

/// A process whose files may be as large as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSizeUndo {
    /// The process.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The limit that it had, in bytes; absent: none.
    pub soft: Option<u64>,
    /// The highest limit that it could set itself; absent: none.
    pub hard: Option<u64>,
}

impl FileSizeUndo {
    pub(super) fn restore(&self) -> Result<(), UndoError> {
        if start_time(self.pid) != Some(self.started) {
            return Ok(());
        }
        match set_file_size(self.pid, self.soft, self.hard) {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32) => Ok(()),
            Err(error) => Err(UndoError(format!("the limit of process {} cannot be restored: {error}", self.pid))),
        }
    }
}

/// Limits the files of a process; the answer is the limits that it had.
pub(crate) fn set_file_size(
    pid: u32,
    soft: Option<u64>,
    hard: Option<u64>,
) -> std::io::Result<(Option<u64>, Option<u64>)> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or(std::io::ErrorKind::NotFound)?;
    let before = prlimit(Some(pid), Resource::Fsize, Rlimit { current: soft, maximum: hard })?;
    Ok((before.current, before.maximum))
}

/// The limits that a process has.
pub(crate) fn file_size(pid: u32) -> std::io::Result<(Option<u64>, Option<u64>)> {
    let process = procfs::process::Process::new(pid.cast_signed()).map_err(std::io::Error::other)?;
    let limit = process.limits().map_err(std::io::Error::other)?.max_file_size;
    let bytes = |value| match value {
        procfs::process::LimitValue::Unlimited => None,
        procfs::process::LimitValue::Value(bytes) => Some(bytes),
    };
    Ok((bytes(limit.soft_limit), bytes(limit.hard_limit)))
}
