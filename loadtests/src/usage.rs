//! What the driver itself costs: CPU time and memory of this process.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// CPU time (user and system) and highest resident memory of this process so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Microseconds.
    pub(crate) cpu_us: u64,
    /// Bytes.
    pub(crate) rss_peak_bytes: u64,
}

impl Usage {
    /// Reads both now; zero where the system does not tell.
    pub(crate) fn now() -> Self {
        getrusage(UsageWho::RUSAGE_SELF).map_or_else(
            |_| Self::default(),
            |usage| Self {
                cpu_us: (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()).unsigned_abs(),
                // Linux counts in KiB.
                rss_peak_bytes: usage.max_rss().unsigned_abs() << 10,
            },
        )
    }
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
