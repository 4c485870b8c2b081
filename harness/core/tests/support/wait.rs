//! Waits for a condition. The deadline is only a limit; no test measures it.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Deadline for a condition. It is longer than any condition takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` succeeds. If it does not before the deadline, the test fails with `what` and the last reason.
pub(crate) async fn wait_until<E: Display>(what: &str, mut look: impl AsyncFnMut() -> Result<(), E>) {
    let since = Instant::now();
    while let Err(why) = look().await {
        assert!(since.elapsed() < PATIENCE, "{what}: {why}");
        tokio::time::sleep(PAUSE).await;
    }
}
