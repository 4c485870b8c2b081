//! Ctrl-C for the driver: finish the calls in flight, make no further one. Set before goose sets its own handler, which
//! would end the process at the second signal.

use tokio_util::sync::CancellationToken;

/// Cancels `stop` at every SIGINT from now on.
///
/// # Errors
/// The process has a handler already.
pub(crate) fn install(stop: &CancellationToken) -> Result<(), ctrlc::Error> {
    let stop = stop.clone();
    ctrlc::set_handler(move || stop.cancel())
}
