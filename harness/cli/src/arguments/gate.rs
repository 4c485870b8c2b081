//! What `gate` takes.

use super::values::parse_duration;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `gate`.
#[derive(Args)]
pub(crate) struct GateArguments {
    /// Concurrent users of the load.
    #[arg(long, default_value_t = 100)]
    pub(crate) users: u32,
    /// How long the load is measured.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Decides every random choice; drawn and printed where absent.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}
