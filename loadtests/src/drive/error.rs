//! Why a drive did not come to its end, and the exit code that says so to the parent.

use harness_core::drive::client::EndpointError;
use harness_core::observe::record::RecordError;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why there is no load, or no report of it.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The process could not be set up.
    #[error("the driver cannot start: {0}")]
    Start(String),
    /// What came on stdin is not an assignment.
    #[error("the driver was given no assignment: {0}\nhint: it is started by `harness load`, not by hand")]
    Assignment(String),
    /// The assignment lacks the endpoint of the service that it drives.
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
    Report {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl DriveError {
    /// 2 where the run cannot be judged, 64 for a bad assignment, 70 for a bug of ours.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Record(_) | Self::Report { .. } => 2,
            Self::Assignment(_) | Self::NoEndpoint(_) | Self::Endpoint(_) => 64,
            Self::Start(_) | Self::Load(_) => 70,
        })
    }
}

/// Says something to the people behind stderr; where there is no stderr, nobody is there to be told.
pub(super) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "driver: {text}");
}
