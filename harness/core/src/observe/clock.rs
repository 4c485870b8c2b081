//! The run's clock: microseconds of the system's monotonic clock, the same in every process of this machine.

use nix::time::{ClockId, clock_gettime};

/// The monotonic clock now, in microseconds since an arbitrary point that all processes of this machine share.
pub fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every supported system has a monotonic clock");
    now.tv_sec().unsigned_abs() * 1_000_000 + now.tv_nsec().unsigned_abs() / 1_000
}
