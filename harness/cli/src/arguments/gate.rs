//! What `gate` and `init` take.

use super::values::{parse_duration, parse_lie, parse_slow};
use clap::{Args, ValueEnum};
use mcp_contracts::Service;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `gate`.
#[derive(Args)]
pub(crate) struct GateArguments {
    /// Which phases, and what must hold in them; the settings decide where absent.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Profile>,
    /// The settings; `harness.toml` where it is there, else the default.
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Concurrent users of the load, in place of the settings'.
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// How long the load is measured, in place of the settings'.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Puts the broken service before a service, with one of its lies, to see the gate fail; repeatable.
    #[arg(long, value_name = "SERVICE=LIE", value_parser = parse_lie)]
    pub(crate) lie: Vec<(Service, String)>,
    /// Puts the fault proxy before a service and makes every call of scenarios and load so much longer, to see the gate fail; repeatable.
    #[arg(long, value_name = "SERVICE=TIME", value_parser = parse_slow)]
    pub(crate) slow: Vec<(Service, Duration)>,
    /// Decides every random choice; drawn and printed where absent.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}

/// A profile of the gate.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// What every push waits for: under six minutes on two cores.
    Ci,
    /// What a release waits for: a longer load, every experiment.
    Preprod,
}

/// Arguments of `init`.
#[derive(Args)]
pub(crate) struct InitArguments {
    /// The file.
    #[arg(default_value = harness_core::plan::settings::FILE)]
    pub(crate) file: PathBuf,
    /// Overwrites a file that is there.
    #[arg(long)]
    pub(crate) force: bool,
}
