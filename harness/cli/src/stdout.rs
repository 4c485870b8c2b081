//! Writes data to stdout, and keeps the first error. A command does not end early when stdout fails, because it may have a stack to stop.

use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

static FAILURE: OnceLock<std::io::Error> = OnceLock::new();

/// Writes a text, without colours if stdout is no terminal. Does nothing after an error.
pub(crate) fn write(text: &str) {
    if FAILURE.get().is_some() {
        return;
    }
    let mut stdout = anstream::stdout();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        let _ = FAILURE.set(error);
    }
}

/// Returns why stdout is incomplete. A reader that has closed the pipe, such as `head -n 1`, is not a failure.
pub(crate) fn failure() -> Option<&'static std::io::Error> {
    FAILURE.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}
