//! Arguments of every run: its seed, its folder, and the lies and delays that break its stack on purpose.

use super::values::{parse_lie, parse_slow};
use clap::Args;
use mcp_contracts::Service;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Clone)]
pub(crate) struct RecordArguments {
    /// Seed of every random choice; random if omitted, and always printed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}

#[derive(Args, Clone)]
pub(crate) struct Lies {
    /// Puts a proxy that breaks one promise in front of a service, to show that the run fails; `liar --list` lists the lies; repeatable.
    #[arg(long, value_name = "SERVICE=LIE", value_parser = parse_lie)]
    pub(crate) lie: Vec<(Service, String)>,
}

#[derive(Args, Clone)]
pub(crate) struct Delays {
    /// Delays every call to a service by this time, to show that the run fails; repeatable.
    #[arg(long, value_name = "SERVICE=TIME", value_parser = parse_slow)]
    pub(crate) slow: Vec<(Service, Duration)>,
}
