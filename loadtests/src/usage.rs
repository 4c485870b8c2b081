//! CPU time and memory of this process, the driver.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// CPU time (user and system) and highest resident memory of this process so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu_us: u64,
    pub(crate) rss_peak_bytes: u64,
}

impl Usage {
    /// Reads both figures. They are 0 if the system does not report them.
    pub(crate) fn now() -> Self {
        getrusage(UsageWho::RUSAGE_SELF).map_or_else(
            |_| Self::default(),
            |usage| Self {
                cpu_us: (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()).unsigned_abs(),
                rss_peak_bytes: rss_peak_bytes().unwrap_or_default(),
            },
        )
    }
}

/// Returns the high-water mark of this program. `getrusage` would report that of the program that started it, if that
/// was higher.
fn rss_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn work_shows_in_the_usage() {
        let before = Usage::now();
        while Usage::now().cpu_us == before.cpu_us {
            std::hint::black_box((0..10_000).sum::<u64>());
        }
        assert!(before.rss_peak_bytes > 1 << 20);
    }
}
