//! Ctrl-C for the driver: it finishes the calls in flight and makes no further one. Installed before goose installs its own handler, which
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
