//! How much of the machine other processes use, because they may be the reason for slow calls.

use crate::observe::clock::monotonic_us;
use crate::observe::{children, cpu_time};
use crate::stack::Stack;
use procfs::{CurrentSI, KernelStats};
use std::time::Duration;

/// A machine is crowded if other processes use more than this share of it (decision 0015).
const SHARE: f64 = 0.25;

/// Number of the entry of all children of the harness that have ended; no process has it.
const ENDED: u32 = 0;

/// Running totals at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineTotals {
    pub(crate) at_us: u64,
    /// Busy time of all cores together.
    busy: Duration,
    /// Total time of all cores together, busy or idle.
    all: Duration,
    /// Time that each of our processes used.
    own: Vec<(u32, Duration)>,
}

/// Reads the CPU time of the machine, and of our processes: the harness, the parts with their children, and `others`. Returns `None` if
/// `/proc/stat` cannot be read.
pub(crate) fn read_totals(stack: &Stack, others: &[u32], epoch_us: u64) -> Option<MachineTotals> {
    let total = KernelStats::current().ok()?.total;
    // Time that the hypervisor gave to other machines counts as busy, because it slows the stack like a process here.
    let given_away = total.steal.unwrap_or_default();
    let working = total.user + total.nice + total.system + total.irq.unwrap_or_default();
    let busy = working + total.softirq.unwrap_or_default() + given_away;
    // A core that waits for a disk can run another process, so it counts as idle.
    let idle = total.idle + total.iowait.unwrap_or_default();
    let time = |ticks: u64| Duration::from_micros(ticks * 1_000_000 / procfs::ticks_per_second());
    // A liar runs the real service as its child.
    let parts =
        stack.parts().into_iter().filter_map(|part| part.pid).flat_map(|pid| [pid].into_iter().chain(children(pid)));
    let pids = parts.chain(others.iter().copied()).chain([std::process::id()]);
    let own = pids.filter_map(|pid| Some((pid, cpu_time(pid)?))).chain([(ENDED, time_of_ended_children())]).collect();
    Some(MachineTotals {
        at_us: monotonic_us().saturating_sub(epoch_us),
        busy: time(busy),
        all: time(busy + idle),
        own,
    })
}

/// Returns the CPU time of the children of the harness that have ended and their own ended children, such as a part that was killed.
fn time_of_ended_children() -> Duration {
    let stat = procfs::process::Process::myself().and_then(|process| process.stat());
    let ticks = stat.map_or(0, |stat| (stat.cutime + stat.cstime).max(0).unsigned_abs());
    Duration::from_micros(ticks * 1_000_000 / procfs::ticks_per_second())
}

/// Returns true if other processes used much of the machine between two moments.
pub(crate) fn is_crowded(before: &MachineTotals, now: &MachineTotals) -> bool {
    // A process that was not running before had used no time.
    let used = |(pid, time): &(u32, Duration)| {
        let known = before.own.iter().find(|(known, _)| known == pid).map(|(_, time)| *time);
        time.saturating_sub(known.unwrap_or_default())
    };
    // A process that has ended in the meantime is counted as a child that has ended, with all the time that it ever used.
    let is_gone = |(pid, _): &&(u32, Duration)| now.own.iter().all(|(known, _)| known != pid);
    let known: Duration = before.own.iter().filter(is_gone).map(|(_, time)| *time).sum();
    let (ended, running): (Vec<_>, Vec<_>) = now.own.iter().partition(|(pid, _)| *pid == ENDED);
    let of_ended: Duration = ended.into_iter().map(used).sum();
    let own = running.into_iter().map(used).sum::<Duration>() + of_ended.saturating_sub(known);
    let others = now.busy.saturating_sub(before.busy).saturating_sub(own);
    let all = now.all.saturating_sub(before.all);
    !all.is_zero() && others.as_secs_f64() > SHARE * all.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::{MachineTotals, is_crowded};
    use std::time::Duration;

    fn read_totals(busy: u64, all: u64, own: &[(u32, u64)]) -> MachineTotals {
        let time = Duration::from_millis;
        MachineTotals {
            at_us: 0,
            busy: time(busy),
            all: time(all),
            own: own.iter().map(|(pid, used)| (*pid, time(*used))).collect(),
        }
    }

    #[test]
    fn only_cpu_time_of_other_processes_makes_a_machine_busy() {
        let before = read_totals(1_000, 10_000, &[(7, 100)]);
        assert!(!is_crowded(&before, &read_totals(2_900, 12_000, &[(7, 1_800)])), "1.9 s busy, 1.7 s of it ours");
        assert!(is_crowded(&before, &read_totals(2_900, 12_000, &[(7, 900)])), "1.1 s of 2 s by others");
        assert!(
            !is_crowded(&before, &read_totals(2_900, 12_000, &[(7, 900), (8, 900)])),
            "a part that was started is ours"
        );
        assert!(!is_crowded(&before, &before), "no time has passed");
        let killed = |reaped| read_totals(2_900, 12_000, &[(0, reaped)]);
        let before = read_totals(1_000, 10_000, &[(0, 50), (7, 100)]);
        assert!(!is_crowded(&before, &killed(1_850)), "a part used 1.7 s until it was killed");
        assert!(is_crowded(&before, &killed(150)), "the part had used its time before");
    }
}
