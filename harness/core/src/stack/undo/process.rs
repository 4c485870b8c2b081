//! Undoes a fault on a process of this machine: resumes it, or restores its file size limit. Also ends the process of a
//! part. A later process with the same id has another start time and is not changed.

use super::{PAUSE, UndoError};
use crate::stack::process_id::{end_process, is_alive, start_time};
use nix::sys::signal::{Signal, kill};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde::{Deserialize, Serialize};

/// The state in `/proc/PID/stat` of a process that a signal has stopped.
const STOPPED: char = 'T';

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUndo {
    pub pid: u32,
    /// Start of the process, in clock ticks since boot.
    pub started: u64,
}

impl ProcessUndo {
    pub(super) fn resume(&self) -> Result<(), UndoError> {
        if start_time(self.pid) != Some(self.started) {
            return Ok(());
        }
        // A process that is not stopped ignores SIGCONT, so the undo may be applied twice.
        match kill(nix::unistd::Pid::from_raw(self.pid.cast_signed()), Signal::SIGCONT) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(UndoError(format!("process {} cannot be resumed: {error}", self.pid))),
        }
    }

    /// Resumes the process and waits until it is running, because the kernel resumes a process a moment after the signal.
    pub(super) async fn resume_and_wait(&self) -> Result<(), UndoError> {
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndUndo {
    /// Name of the part in the topology.
    pub part: String,
    pub pid: u32,
    /// Start of the process, in clock ticks since boot.
    pub started: u64,
}

impl EndUndo {
    // The same signature as the other undos that wait for nothing.
    #[expect(clippy::unnecessary_wraps, reason = "the undos have one signature")]
    pub(super) fn kill(&self) -> Result<(), UndoError> {
        // Not SIGTERM, which a process that is stopped by SIGSTOP would never receive.
        end_process(self.pid, self.started, Signal::SIGKILL);
        Ok(())
    }

    /// Kills the process and waits until it has ended.
    pub(super) async fn kill_and_wait(&self) -> Result<(), UndoError> {
        self.kill()?;
        while is_alive(self.pid, self.started) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Kills the process and every other process of its group. A server may be started by a launcher (`npx`, `uv run`) that has a child of its own,
    /// and only the launcher dies with the harness.
    #[expect(clippy::unnecessary_wraps, reason = "the undos have one signature")]
    pub(super) fn kill_group(&self) -> Result<(), UndoError> {
        for member in self.members() {
            // A member that has ended meanwhile needs no signal.
            let _ = kill(nix::unistd::Pid::from_raw(member), Signal::SIGKILL);
        }
        Ok(())
    }

    /// Kills the group and waits until none of it is left. Repeated, because a member may start another process before it gets its signal.
    pub(super) async fn kill_group_and_wait(&self) -> Result<(), UndoError> {
        while !self.members().is_empty() {
            self.kill_group()?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Returns the ids of the processes of the group, whose number is the id of the process. Zombies have ended.
    fn members(&self) -> Vec<i32> {
        // Linux gives the number to no other process while the group has a member. A later process with it means that the group is gone.
        if start_time(self.pid).is_some_and(|started| started != self.started) {
            return Vec::new();
        }
        let stats = procfs::process::all_processes().into_iter().flatten().flatten().filter_map(|one| one.stat().ok());
        let is_member = |stat: &procfs::process::Stat| {
            stat.pgrp == self.pid.cast_signed() && stat.starttime >= self.started && !['Z', 'X'].contains(&stat.state)
        };
        stats.filter(is_member).map(|stat| stat.pid).collect()
    }

    pub(super) fn describe(&self) -> String {
        let Self { part, pid, started } = self;
        let what = if is_alive(*pid, *started) { "ended" } else { "nothing to do: it has ended," };
        format!("{what} `{part}` (process {pid})")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSizeUndo {
    pub pid: u32,
    /// Start of the process, in clock ticks since boot.
    pub started: u64,
    /// The limit to restore, in bytes; `None`: no limit.
    pub soft: Option<u64>,
    /// The highest limit that the process may set for itself, in bytes; `None`: no limit.
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
            Err(error) => {
                Err(UndoError(format!("the file size limit of process {} cannot be restored: {error}", self.pid)))
            }
        }
    }
}

/// Limits the size of the files that a process writes. Returns the former soft and hard limits.
pub(crate) fn set_file_size(
    pid: u32,
    soft: Option<u64>,
    hard: Option<u64>,
) -> std::io::Result<(Option<u64>, Option<u64>)> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or(std::io::ErrorKind::NotFound)?;
    let before = prlimit(Some(pid), Resource::Fsize, Rlimit { current: soft, maximum: hard })?;
    Ok((before.current, before.maximum))
}

/// Returns the soft and the hard limit on the size of the files that a process writes; `None`: no limit.
pub(crate) fn file_size(pid: u32) -> std::io::Result<(Option<u64>, Option<u64>)> {
    let process = procfs::process::Process::new(pid.cast_signed()).map_err(std::io::Error::other)?;
    let limit = process.limits().map_err(std::io::Error::other)?.max_file_size;
    let bytes = |value| match value {
        procfs::process::LimitValue::Unlimited => None,
        procfs::process::LimitValue::Value(bytes) => Some(bytes),
    };
    Ok((bytes(limit.soft_limit), bytes(limit.hard_limit)))
}

#[cfg(test)]
mod tests {
    use super::EndUndo;
    use crate::stack::process_id::start_time;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    #[tokio::test]
    async fn a_group_is_ended_with_the_children_of_a_launcher_that_has_ended() {
        let mut launcher = Command::new("sh");
        // The launcher ends at once; its child would live for ten minutes.
        launcher.args(["-c", "sleep 600 & echo $!"]).process_group(0).stdout(Stdio::piped());
        let mut launcher = launcher.spawn().unwrap();
        let pid = launcher.id();
        let started = start_time(pid).unwrap();
        let undo = EndUndo { part: "target".to_owned(), pid, started };
        let mut output = launcher.stdout.take().unwrap();
        let mut child = String::new();
        while !child.ends_with('\n') {
            let mut byte = [0];
            std::io::Read::read_exact(&mut output, &mut byte).unwrap();
            child.push(char::from(byte[0]));
        }
        let child: u32 = child.trim().parse().unwrap();
        assert!(undo.members().contains(&child.cast_signed()), "{:?}", undo.members());
        tokio::time::timeout(Duration::from_secs(10), undo.kill_group_and_wait()).await.unwrap().unwrap();
        launcher.wait().unwrap();
        assert!(undo.members().is_empty());
        let other = EndUndo { started: started - 1, pid: std::process::id(), ..undo };
        assert!(other.members().is_empty(), "a later process with the same id is not changed");
    }
}
