//! Ends or resumes a Postgres server. Each of its processes leads a group of its own, so that neither the process that was started nor its group is the
//! whole server. All of them have the folder of the cluster as their working directory, also those whose parent has been killed.

use super::{PAUSE, UndoError};
use crate::stack::process_id::is_alive;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::{Process, Stat};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// States in `/proc/PID/stat`: stopped by a signal, and ended.
const STOPPED: char = 'T';
const ENDED: [char; 2] = ['Z', 'X'];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerUndo {
    /// Name of the part in the topology.
    pub part: String,
    /// The process that was started, which starts all others.
    pub pid: u32,
    /// Start of that process, in clock ticks since boot.
    pub started: u64,
    /// Folder of the cluster, as an absolute path without links.
    pub folder: PathBuf,
}

impl ServerUndo {
    /// Returns true if a process of the server has not ended.
    pub(crate) fn is_running(&self) -> bool {
        !self.members().is_empty()
    }

    /// Sends a signal to every process of the server, the first process first: it must not start another one meanwhile.
    pub(crate) fn signal(&self, signal: Signal) {
        for stat in self.members() {
            // A process that has ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(stat.pid), signal);
        }
    }

    /// Returns true if every process of the server is stopped, and there is one.
    pub(crate) fn is_stopped(&self) -> bool {
        let members = self.members();
        !members.is_empty() && members.iter().all(|stat| stat.state == STOPPED)
    }

    /// Returns true if a process of the server is stopped.
    fn is_partly_stopped(&self) -> bool {
        self.members().iter().any(|stat| stat.state == STOPPED)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the undos have one signature")]
    pub(super) fn kill(&self) -> Result<(), UndoError> {
        self.signal(Signal::SIGKILL);
        Ok(())
    }

    /// Kills the server and waits until it has ended. Repeated, because a process may start another one before it gets its signal.
    pub(super) async fn kill_and_wait(&self) -> Result<(), UndoError> {
        while self.is_running() {
            self.kill()?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the undos have one signature")]
    pub(super) fn resume(&self) -> Result<(), UndoError> {
        // A process that is not stopped ignores SIGCONT, so the undo may be applied twice.
        self.signal(Signal::SIGCONT);
        Ok(())
    }

    /// Resumes the server and waits until it is running, because the kernel resumes a process a moment after the signal.
    pub(super) async fn resume_and_wait(&self) -> Result<(), UndoError> {
        self.resume()?;
        while self.is_partly_stopped() {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    pub(super) fn describe_end(&self) -> String {
        let Self { part, pid, started, .. } = self;
        let what = if self.is_running() || is_alive(*pid, *started) { "ended" } else { "nothing to do: it has ended," };
        format!("{what} `{part}` (process {pid})")
    }

    /// Returns the processes of the server, the first one first.
    fn members(&self) -> Vec<Stat> {
        let first = self.pid.cast_signed();
        let processes: Vec<(Process, Stat)> = procfs::process::all_processes()
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|process| process.stat().ok().map(|stat| (process, stat)))
            .collect();
        let is_there = processes.iter().any(|(_, stat)| stat.pid == first && stat.starttime == self.started);
        let is_member = |process: &Process, stat: &Stat| {
            // The first process enters the folder a moment after its start. A harness that is root in a container may not see the folders of other
            // users' processes; it sees whose children they are.
            let is_of_first = is_there && (stat.pid == first || stat.ppid == first);
            let is_in_folder = || process.cwd().is_ok_and(|folder| folder == self.folder);
            !ENDED.contains(&stat.state) && (is_of_first || is_in_folder())
        };
        let members = processes.into_iter().filter(|(process, stat)| is_member(process, stat));
        let mut members: Vec<Stat> = members.map(|(_, stat)| stat).collect();
        members.sort_by_key(|stat| (stat.pid != first, stat.pid));
        members
    }
}

#[cfg(test)]
mod tests {
    use super::ServerUndo;
    use crate::stack::process_id::start_time;
    use nix::sys::signal::Signal;
    use std::process::Command;

    /// A shell with two children, all in one folder and each in a group of its own.
    const FAMILY: &str = "setsid sleep 60 & setsid sleep 60 & wait";

    #[tokio::test]
    async fn every_process_in_the_folder_is_paused_resumed_and_ended_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let sleep = |at: &std::path::Path, words: &[&str]| {
            Command::new(words[0]).args(&words[1..]).current_dir(at).spawn().unwrap()
        };
        let (mut first, mut other) = (sleep(&path, &["sh", "-c", FAMILY]), sleep("/".as_ref(), &["sleep", "60"]));
        let started = start_time(first.id()).unwrap();
        let server = ServerUndo { part: "postgres".to_owned(), pid: first.id(), started, folder: path };
        while server.members().len() < 3 {
            tokio::time::sleep(super::PAUSE).await;
        }
        server.signal(Signal::SIGSTOP);
        while !server.is_stopped() {
            tokio::time::sleep(super::PAUSE).await;
        }
        server.resume_and_wait().await.unwrap();
        assert!(!server.is_partly_stopped() && server.is_running());
        for _ in 0..2 {
            server.kill_and_wait().await.unwrap();
        }
        assert!(!first.wait().unwrap().success());
        assert_eq!(other.try_wait().unwrap(), None, "a process in another folder stays");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
