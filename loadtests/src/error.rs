//! Why a drive did not come to its end, and the exit code that reports it to the parent.

use harness_core::drive::client::EndpointError;
use harness_core::observe::record::RecordError;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The process could not be set up.
    #[error("the driver cannot start: {0}")]
    Start(String),
    /// What came on stdin is not an assignment.
    #[error("the driver got no assignment: {0}\nhint: it is started by `harness load`, not by hand")]
    Assignment(String),
    /// The assignment lacks the endpoint of a service that it drives.
    #[error("the assignment has no endpoint for `{0}`")]
    NoEndpoint(String),
    /// The endpoint cannot be measured.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The history cannot be written from the start.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// goose could not run the load.
    #[error("goose cannot run the load: {0}")]
    Load(String),
    /// The report of the driver cannot be written.
    #[error("cannot write `{}`: {why}\nhint: free space on that disk, or choose another run directory", path.display())]
    Report { path: PathBuf, why: String },
}

impl DriveError {
    /// 2 if the run cannot be judged, 64 for a bad assignment, 70 for a bug of ours.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Record(_) | Self::Report { .. } => 2,
            Self::Assignment(_) | Self::NoEndpoint(_) | Self::Endpoint(_) => 64,
            Self::Start(_) | Self::Load(_) => 70,
        })
    }
}

/// Writes a line to stderr, and ignores that stderr may be closed.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stderr(), "driver: {text}");
}
