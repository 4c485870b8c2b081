//! Where a stack runs, and what `up`, `logs` and `flow` take.

use super::values::parse_url;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where a stack runs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// `external` where a URL is given, else `process`.
    Auto,
    /// Plain processes on this machine.
    Process,
    /// Containers on this machine.
    Docker,
    /// A stack that runs already, at `--url`.
    External,
}

/// Where a stack runs.
#[derive(Args, Clone)]
pub(crate) struct BackendArguments {
    /// Where the stack runs.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) backend: BackendChoice,
    /// Base URL of a service that runs already; repeatable. Its secret is taken from JWT_SECRET.
    #[arg(long, value_name = "SERVICE=URL", value_parser = parse_url)]
    pub(crate) url: Vec<(String, String)>,
}

/// Arguments of `up`.
#[derive(Args)]
pub(crate) struct UpArguments {
    /// Where the stack runs.
    #[arg(long, value_enum, default_value = "process")]
    pub(crate) backend: BackendChoice,
    /// A part of it alone; all four services and Redis where absent.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
    /// Settings of the services, their ports and their key, such as `.env.mcp.local`; ports and key are drawn where absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Builds what is changed from now on, in the background, and starts that service alone again.
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Arguments of `down`.
#[derive(Args)]
pub(crate) struct DownArguments {
    /// Removes its data and logs as well.
    #[arg(long)]
    pub(crate) clean: bool,
}

/// Arguments of `watch`.
#[derive(Args, Default)]
pub(crate) struct WatchArguments {
    /// Goes on when this command has ended.
    #[arg(long)]
    pub(crate) background: bool,
    /// Stops the watch that runs here.
    #[arg(long, conflicts_with = "background")]
    pub(crate) stop: bool,
    /// Builds with `make TARGET BINARIES=…` in place of `cargo build`.
    #[arg(long, value_name = "TARGET")]
    pub(crate) make: Option<String>,
    /// In place of starting parts of the stack again: a command, which is given the names of the services that were built.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) then: Vec<String>,
}

/// A smaller stack.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Memory and Redis.
    Memory,
}

/// Arguments of `logs`.
#[derive(Args)]
pub(crate) struct LogsArguments {
    /// The part; all of them where absent.
    pub(crate) part: Option<String>,
    /// Most lines of each part.
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) lines: usize,
}

/// Arguments of `flow`.
#[derive(Args)]
pub(crate) struct FlowArguments {
    /// Where the stack runs; `auto` takes the one that `up` started, if there is one.
    #[command(flatten)]
    pub(crate) place: BackendArguments,
}
