//! Names the process that listens on a port of this machine. The system does not show the open files of another user's
//! processes, so such a process stays unnamed.

use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};

/// Describes the process that listens on a port.
pub(super) fn of(port: u16) -> String {
    let sockets = sockets(port);
    let holder = all_processes().ok().and_then(|all| all.filter_map(Result::ok).find(|process| has(process, &sockets)));
    holder.map_or_else(|| "a process of another user".to_owned(), |process| name(&process))
}

/// Returns the process of a group that listens on a port. If the group's leader does, it is the leader: servers with several workers share one socket.
pub(in crate::stack) fn listening(port: u16, group: u32) -> Option<u32> {
    let sockets = sockets(port);
    let of_group = |process: &Process| process.stat().is_ok_and(|stat| stat.pgrp == group.cast_signed());
    let members = all_processes().ok()?.filter_map(Result::ok).filter(of_group);
    let mut holders: Vec<u32> =
        members.filter(|process| has(process, &sockets)).map(|process| process.pid.cast_unsigned()).collect();
    holders.sort_by_key(|pid| (*pid != group, *pid));
    holders.first().copied()
}

/// Returns the inodes of the sockets that listen on a port.
fn sockets(port: u16) -> Vec<u64> {
    // `tcp6` too, because a listener on `::` also takes the port of IPv4.
    let entries = [tcp(), tcp6()].into_iter().filter_map(Result::ok).flatten();
    let listening = |entry: &TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == port;
    entries.filter(listening).map(|entry| entry.inode).collect()
}

fn has(process: &Process, sockets: &[u64]) -> bool {
    let is_one = |target: &FDTarget| matches!(target, FDTarget::Socket(inode) if sockets.contains(inode));
    process.fd().is_ok_and(|files| files.filter_map(Result::ok).any(|file| is_one(&file.target)))
}

fn name(process: &Process) -> String {
    let name = process.stat().map(|stat| stat.comm).unwrap_or_default();
    format!("`{name}` (process {})", process.pid)
}
