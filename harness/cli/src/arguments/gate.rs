//! Arguments of `harness gate` and `harness init`.

use super::record::{Delays, Lies, RecordArguments};
use super::values::parse_duration;
use super::{BackendArguments, InstanceArguments, StoreArguments};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Clone)]
pub(crate) struct GateArguments {
    /// Profile, which selects the phases and their thresholds; the default comes from the settings.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Profile>,
    /// Settings file; the default is `harness.toml` if it exists, else the built-in settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Number of concurrent users of the load; overrides the settings.
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// Length of the measured phase of the load; overrides the settings.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Folder with the sources of the stack, for the hardening checks of containers and of the supply chain.
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) instances: InstanceArguments,
    #[command(flatten)]
    pub(crate) lies: Lies,
    #[command(flatten)]
    pub(crate) delays: Delays,
    #[command(flatten)]
    pub(crate) record: RecordArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Runs on every push; takes less than six minutes on two cores.
    Ci,
    /// Runs before a release: a longer load, every experiment.
    Preprod,
    /// Runs against a new revision before it gets traffic, with `--url`; takes about ten seconds.
    Smoke,
}

#[derive(Args)]
pub(crate) struct InitArguments {
    /// File to write.
    #[arg(default_value = harness_core::plan::settings::FILE)]
    pub(crate) file: PathBuf,
    /// Overwrites an existing file.
    #[arg(long)]
    pub(crate) force: bool,
}
