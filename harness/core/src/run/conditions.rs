//! Records the conditions of a run while the stack is driven: stalls of this process, and other processes that used much of the machine.

use super::machine_load;
use crate::observe::heartbeat::Heartbeat;
use crate::stack::Stack;
use harness_history::Conditions;
use tokio_util::sync::CancellationToken;

/// Watches until the run is over. `driver` is the process that makes the calls of a load.
pub(super) async fn watch(stack: &Stack, driver: Option<u32>, epoch_us: u64, over: &CancellationToken) -> Conditions {
    let heartbeat = Heartbeat::start(epoch_us);
    let crowded = machine_load::watch(stack, driver, epoch_us, over).await;
    Conditions { stalls: heartbeat.stop(), crowded, ..Conditions::default() }
}
