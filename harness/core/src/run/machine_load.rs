//! Records when processes other than the stack and the harness used much of the machine, because they may be the reason
//! for slow calls.

use crate::observe::machine::{is_crowded, read_totals};
use crate::stack::Stack;
use harness_history::experiment::Span;
use procfs::process::FDTarget;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interval between two samples.
const EVERY: Duration = Duration::from_secs(1);

/// Samples until the run is over. A machine without these figures counts as not crowded.
pub(super) async fn watch(stack: &Stack, driver: Option<u32>, epoch_us: u64, over: &CancellationToken) -> Vec<Span> {
    let mut crowded: Vec<Span> = Vec::new();
    // The processes of an external stack are found once, because nothing here starts them again.
    let others: Vec<u32> = external(stack).into_iter().chain(driver).collect();
    let mut before = read_totals(stack, &others, epoch_us);
    loop {
        let last = tokio::select! {
            () = over.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        let now = read_totals(stack, &others, epoch_us);
        if let Some((before, now)) = before.as_ref().zip(now.as_ref())
            && is_crowded(before, now)
        {
            match crowded.last_mut() {
                Some(span) if span.until_us == before.at_us => span.until_us = now.at_us,
                _ => crowded.push(Span { from_us: before.at_us, until_us: now.at_us }),
            }
        }
        before = now;
        if last {
            return crowded;
        }
    }
}

/// Returns the processes of parts that the harness did not start, as far as they listen on this machine.
fn external(stack: &Stack) -> Vec<u32> {
    let parts = stack.parts();
    let urls = parts.iter().filter(|part| part.pid.is_none()).filter_map(|part| reqwest::Url::parse(&part.url).ok());
    let is_here = |url: &reqwest::Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let ports: Vec<u16> = urls.filter(is_here).filter_map(|url| url.port_or_known_default()).collect();
    if ports.is_empty() { Vec::new() } else { listeners(&ports) }
}

/// Returns the processes that listen on any of these ports, as far as they may be looked into.
fn listeners(ports: &[u16]) -> Vec<u32> {
    let sockets = procfs::net::tcp().unwrap_or_default().into_iter().chain(procfs::net::tcp6().unwrap_or_default());
    let listens = |socket: &procfs::net::TcpNetEntry| {
        socket.state == procfs::net::TcpState::Listen && ports.contains(&socket.local_address.port())
    };
    let inodes: Vec<u64> = sockets.filter(listens).map(|socket| socket.inode).collect();
    let has_one = |process: &procfs::process::Process| {
        let is_one = |target: &FDTarget| matches!(target, FDTarget::Socket(inode) if inodes.contains(inode));
        process.fd().is_ok_and(|mut fds| fds.any(|fd| fd.is_ok_and(|fd| is_one(&fd.target))))
    };
    let processes = procfs::process::all_processes().into_iter().flatten().flatten();
    processes.filter(has_one).map(|process| process.pid.unsigned_abs()).collect()
}

#[cfg(test)]
mod tests {
    use super::listeners;

    #[test]
    fn a_process_is_found_by_the_port_on_which_it_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listeners(&[port]), [std::process::id()]);
        drop(listener);
        assert_eq!(listeners(&[port]), Vec::<u32>::new());
    }
}
