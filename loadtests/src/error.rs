//! The errors that end a drive early, and the exit code that reports each to the parent.

use harness_core::drive::client::{BearerError, EndpointError};
use harness_core::observe::record::RecordError;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error("the driver cannot start: {0}")]
    Start(String),
    #[error("the driver got no assignment: {0}\nhint: it is started by `harness load`, not by hand")]
    Assignment(String),
    #[error("the assignment has no endpoint for `{0}`")]
    NoEndpoint(String),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Bearer(#[from] BearerError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("goose cannot run the load: {0}")]
    Load(String),
    #[error("cannot write `{}`: {why}\nhint: free space on that disk, or choose another run directory", path.display())]
    Report { path: PathBuf, why: String },
}

impl DriveError {
    /// Returns 2 if the run cannot be judged, 64 for a bad assignment, and 70 for a bug of the driver.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Record(_) | Self::Report { .. } => 2,
            Self::Assignment(_) | Self::NoEndpoint(_) | Self::Endpoint(_) | Self::Bearer(_) => 64,
            Self::Start(_) | Self::Load(_) => 70,
        })
    }
}

/// Writes a line to stderr. Ignores an error, because stderr may be closed.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stderr(), "driver: {text}");
}
