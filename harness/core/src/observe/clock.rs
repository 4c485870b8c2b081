//! The clock of a run: the system's monotonic clock. All processes of this machine share it, so the times of the driver
//! and of the harness can be compared.

use nix::time::{ClockId, clock_gettime};

/// Returns the microseconds since an arbitrary moment, which is the same for all processes of this machine.
pub fn monotonic_us() -> u64 {
    // Not `std::time::Instant`, which cannot be compared with that of another process.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every supported system has a monotonic clock");
    now.tv_sec().unsigned_abs() * 1_000_000 + now.tv_nsec().unsigned_abs() / 1_000
}
