//! Names the process that listens on a port of this machine. The system does not show the open files of another user's
//! processes, so such a process stays unnamed.

use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};

/// Describes the process that listens on a port.
pub(super) fn of(port: u16) -> String {
    // `tcp6` too, because a listener on `::` also takes the port of IPv4.
    let entries = [tcp(), tcp6()].into_iter().filter_map(Result::ok).flatten();
    let listening = |entry: &TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == port;
    let sockets: Vec<u64> = entries.filter(listening).map(|entry| entry.inode).collect();
    let holder = all_processes().ok().and_then(|all| all.filter_map(Result::ok).find(|process| has(process, &sockets)));
    holder.map_or_else(|| "a process of another user".to_owned(), |process| name(&process))
}

fn has(process: &Process, sockets: &[u64]) -> bool {
    let is_one = |target: &FDTarget| matches!(target, FDTarget::Socket(inode) if sockets.contains(inode));
    process.fd().is_ok_and(|files| files.filter_map(Result::ok).any(|file| is_one(&file.target)))
}

fn name(process: &Process) -> String {
    let name = process.stat().map(|stat| stat.comm).unwrap_or_default();
    format!("`{name}` (process {})", process.pid)
}
