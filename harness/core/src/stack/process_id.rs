//! The identity of a process of this machine: its id and its start time, because the system reuses ids.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Returns the start of a process in clock ticks since boot; `None` if there is no such process.
pub fn start_time(pid: u32) -> Option<u64> {
    procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.stat()).ok().map(|stat| stat.starttime)
}

/// Returns true if this process exists and is not a zombie. A later process with the same id does not count.
pub fn is_alive(pid: u32, started: u64) -> bool {
    let stat = procfs::process::Process::new(pid.cast_signed()).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.starttime == started && stat.state != 'Z')
}

/// Sends a signal to a process. Does nothing if the id now belongs to a later process.
pub fn end_process(pid: u32, started: u64, signal: Signal) {
    // The id does not pass to another process between these two calls: Linux assigns ids in ascending order, and an id
    // returns only after all others.
    if start_time(pid) == Some(started) {
        let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
    }
}
