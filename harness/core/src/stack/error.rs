//! Why a stack did not come up, or a part of it did not do what it was told.

use crate::stack::labelled::DockerError;

/// What went wrong with a stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The program of a part is not there.
    #[error("`{binary}` is not there: looked in {looked}\nhint: {hint}")]
    MissingBinary {
        /// Its name.
        binary: String,
        /// Folders that were looked in.
        looked: String,
        /// What to do.
        hint: String,
    },
    /// A part cannot be started.
    #[error("`{part}` cannot be started: {why}")]
    Start {
        /// Name of the part.
        part: String,
        /// What the system said.
        why: String,
    },
    /// Somebody else has the port of a part.
    #[error(
        "`{part}` cannot listen on 127.0.0.1:{port}: {by} does already\nhint: stop that, or give `{part}` another port"
    )]
    PortTaken {
        /// Name of the part.
        part: String,
        /// The port.
        port: u16,
        /// Who has it, as far as the system tells.
        by: String,
    },
    /// A part ended before it was ready.
    #[error("`{part}` ended while it was starting ({status}); its last lines:\n{tail}")]
    Died {
        /// Name of the part.
        part: String,
        /// How it ended.
        status: String,
        /// End of its log.
        tail: String,
    },
    /// A part did not become ready in time.
    #[error("`{part}` was not ready after {seconds} s: {last}; its last lines:\n{tail}")]
    NotReady {
        /// Name of the part.
        part: String,
        /// The deadline.
        seconds: u64,
        /// What it answered last.
        last: String,
        /// End of its log.
        tail: String,
    },
    /// A running stack was told something that it cannot do.
    #[error("`{part}` cannot be {what}: {why}")]
    Control {
        /// Name of the part.
        part: String,
        /// What was asked for, such as `killed`.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// Docker does not answer.
    #[error("no Docker daemon answers: {why}\nhint: start Docker, or use `--backend process`, which needs none")]
    NoDocker {
        /// What was said.
        why: String,
    },
    /// An image is missing.
    #[error("image `{image}` is not there\nhint: make the images with `make images`, or use `--backend process`")]
    MissingImage {
        /// Its name.
        image: String,
    },
    /// A stack that somebody else runs does not answer.
    #[error(
        "`{part}` at `{url}` does not answer: {why}\nhint: start it, or let the harness start one with `--backend process`"
    )]
    Unreachable {
        /// Name of the part.
        part: String,
        /// Where it should be.
        url: String,
        /// What happened.
        why: String,
    },
    /// Interrupted while starting.
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
