//! Records when processes other than the stack and the harness used much of the machine, because they may be the reason
//! for slow calls.

use crate::observe::clock::monotonic_us;
use crate::observe::cpu_time;
use crate::stack::Stack;
use harness_history::experiment::Span;
use procfs::process::FDTarget;
use procfs::{CurrentSI, KernelStats};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interval between two samples.
const EVERY: Duration = Duration::from_secs(1);
/// A machine is crowded if other processes use more than this share of it (decision 0015).
const SHARE: f64 = 0.25;

/// Samples until the run is over. A machine without these figures counts as not crowded.
pub(super) async fn watch(stack: &Stack, driver: Option<u32>, epoch_us: u64, over: &CancellationToken) -> Vec<Span> {
    let mut crowded: Vec<Span> = Vec::new();
    // The processes of an external stack are found once, because nothing here starts them again.
    let others: Vec<u32> = external(stack).into_iter().chain(driver).collect();
    let mut before = look(stack, &others, epoch_us);
    loop {
        let last = tokio::select! {
            () = over.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        let now = look(stack, &others, epoch_us);
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

/// Running totals at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    at_us: u64,
    /// Busy time of all cores together.
    busy: Duration,
    /// Total time of all cores together, busy or idle.
    all: Duration,
    /// Time that each of our processes used.
    own: Vec<(u32, Duration)>,
}

fn look(stack: &Stack, others: &[u32], epoch_us: u64) -> Option<Look> {
    let total = KernelStats::current().ok()?.total;
    // Time that the hypervisor gave to other machines counts as busy, because it slows the stack like a process here.
    let given_away = total.steal.unwrap_or_default();
    let working = total.user + total.nice + total.system + total.irq.unwrap_or_default();
    let busy = working + total.softirq.unwrap_or_default() + given_away;
    // A core that waits for a disk can run another process, so it counts as idle.
    let idle = total.idle + total.iowait.unwrap_or_default();
    let time = |ticks: u64| Duration::from_micros(ticks * 1_000_000 / procfs::ticks_per_second());
    let pids =
        stack.parts().into_iter().filter_map(|part| part.pid).chain(others.iter().copied()).chain([std::process::id()]);
    let own = pids.filter_map(|pid| Some((pid, cpu_time(pid)?))).collect();
    Some(Look { at_us: monotonic_us().saturating_sub(epoch_us), busy: time(busy), all: time(busy + idle), own })
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

fn is_crowded(before: &Look, now: &Look) -> bool {
    // A process that was not running before had used no time.
    let used = |(pid, time): &(u32, Duration)| {
        let known = before.own.iter().find(|(known, _)| known == pid).map(|(_, time)| *time);
        time.saturating_sub(known.unwrap_or_default())
    };
    let own: Duration = now.own.iter().map(used).sum();
    let others = now.busy.saturating_sub(before.busy).saturating_sub(own);
    let all = now.all.saturating_sub(before.all);
    !all.is_zero() && others.as_secs_f64() > SHARE * all.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::{Look, is_crowded, listeners};
    use std::time::Duration;

    fn look(busy: u64, all: u64, own: &[(u32, u64)]) -> Look {
        let time = Duration::from_millis;
        Look {
            at_us: 0,
            busy: time(busy),
            all: time(all),
            own: own.iter().map(|(pid, used)| (*pid, time(*used))).collect(),
        }
    }

    #[test]
    fn what_the_stack_itself_uses_is_no_crowd_and_what_others_use_is() {
        let before = look(1_000, 10_000, &[(7, 100)]);
        assert!(!is_crowded(&before, &look(2_900, 12_000, &[(7, 1_800)])), "1.9 s busy, 1.7 s of it ours");
        assert!(is_crowded(&before, &look(2_900, 12_000, &[(7, 900)])), "1.1 s of 2 s by others");
        assert!(!is_crowded(&before, &look(2_900, 12_000, &[(7, 900), (8, 900)])), "a part that was started is ours");
        assert!(!is_crowded(&before, &before), "no time has passed");
    }

    #[test]
    fn a_process_is_found_by_the_port_on_which_it_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listeners(&[port]), [std::process::id()]);
        drop(listener);
        assert_eq!(listeners(&[port]), Vec::<u32>::new());
    }
}
