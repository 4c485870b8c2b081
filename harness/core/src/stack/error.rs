//! Why a stack did not start, or an action on a part failed.

use crate::stack::labelled::DockerError;

#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("`{binary}` was not found in {looked}\nhint: {hint}")]
    MissingBinary { binary: String, looked: String, hint: String },
    #[error("`{part}` cannot be started: {why}")]
    Start { part: String, why: String },
    #[error(
        "`{part}` cannot listen on 127.0.0.1:{port}: {by} already uses the port\nhint: stop that process, or choose another port for `{part}`"
    )]
    PortTaken {
        part: String,
        port: u16,
        /// The process that uses the port.
        by: String,
    },
    #[error("`{part}` ended while it was starting ({status}); the last lines of its log:\n{tail}")]
    Died { part: String, status: String, tail: String },
    #[error("`{part}` was not ready after {seconds} s: {last}; the last lines of its log:\n{tail}")]
    NotReady {
        part: String,
        seconds: u64,
        /// The last response, or why there was none.
        last: String,
        tail: String,
    },
    #[error("`{part}` cannot be {what}: {why}")]
    Control {
        part: String,
        /// The action, such as `killed`.
        what: &'static str,
        why: String,
    },
    #[error("no Docker daemon answers: {why}\nhint: start Docker, or use `--backend process`, which needs none")]
    NoDocker { why: String },
    #[error(
        "the image `{image}` does not exist\nhint: build the images with `make images`, or use `--backend process`"
    )]
    MissingImage { image: String },
    /// A part of an external stack is not ready.
    #[error(
        "`{part}` at `{url}` is not ready: {why}\nhint: start it, or let the harness start one with `--backend process`"
    )]
    Unreachable { part: String, url: String, why: String },
    /// A URL of an external stack leads to another program.
    #[error("`{url}` is not the `{part}` service: {why}\nhint: compare the port with that of `{part}`")]
    WrongService { part: String, url: String, why: String },
    #[error("the harness does not call the target at `{url}`: {why}")]
    TargetOutOfReach { url: String, why: String },
    #[error("interrupted while the stack was starting")]
    Interrupted,
}

impl From<DockerError> for StackError {
    fn from(error: DockerError) -> Self {
        Self::NoDocker { why: error.to_string() }
    }
}

impl StackError {
    pub(super) fn start(part: &str, why: impl ToString) -> Self {
        Self::Start { part: part.to_owned(), why: why.to_string() }
    }

    pub(crate) fn control(part: &str, what: &'static str, why: impl ToString) -> Self {
        Self::Control { part: part.to_owned(), what, why: why.to_string() }
    }
}
