//! Waits for a condition. The deadline is only a limit; no test measures it.

use std::time::{Duration, Instant};

/// Deadline for a condition. It is longer than any condition takes on a busy machine: with twelve busy processes, a Python server listened after 30 s.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until a condition holds. If it does not hold before the deadline, the test fails with `what`.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
