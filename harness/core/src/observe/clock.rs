//! The clock of a run: the system's monotonic clock, which all processes of this machine share, so the driver and the harness use the same times.

use nix::time::{ClockId, clock_gettime};

/// Microseconds since an arbitrary moment that is the same for all processes of this machine.
pub fn monotonic_us() -> u64 {
    // Not `std::time::Instant`, which cannot be compared with that of another process.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every supported system has a monotonic clock");
    now.tv_sec().unsigned_abs() * 1_000_000 + now.tv_nsec().unsigned_abs() / 1_000
}
