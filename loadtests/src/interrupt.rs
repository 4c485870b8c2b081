//! Signals that end the driver: the driver finishes the calls in flight and makes no further call. The handler is installed
//! before goose installs its own, which would end the process at the second signal.

use tokio_util::sync::CancellationToken;

/// Installs a handler that cancels `stop` at every SIGINT, SIGTERM and SIGHUP.
///
/// # Errors
/// The process has a handler already.
pub(crate) fn install(stop: &CancellationToken) -> Result<(), ctrlc::Error> {
    let stop = stop.clone();
    ctrlc::set_handler(move || stop.cancel())
}
