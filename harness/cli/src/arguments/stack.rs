//! Arguments that choose a stack, and those of the commands for the local stack.

use super::values::{parse_origin, parse_url};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// `external` if `--url` is used, else `process`.
    Auto,
    /// Plain processes on this machine.
    Process,
    /// Containers on this machine.
    Docker,
    /// A running stack at `--url`.
    External,
}

#[derive(Args, Clone)]
pub(crate) struct BackendArguments {
    /// Where the stack runs.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) backend: BackendChoice,
    /// Base URL of a running service; repeatable. The variable JWT_SECRET must hold the key of its tokens.
    #[arg(long, value_name = "SERVICE=URL", value_parser = parse_url)]
    pub(crate) url: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreChoice {
    /// A file for each service.
    Sqlite,
    /// A Postgres server for memory, which the harness starts from the packages of this machine. The other services keep their files.
    Postgres,
}

/// The store of memory in a stack that the harness starts.
#[derive(Args, Clone, Default)]
pub(crate) struct StoreArguments {
    /// Where memory keeps its records; the default comes from the settings. An experiment about Postgres always has one.
    #[arg(long, value_enum)]
    pub(crate) store: Option<StoreChoice>,
}

/// The number of instances in a stack that the harness starts.
#[derive(Args, Clone, Default)]
pub(crate) struct InstanceArguments {
    /// Number of instances of memory that the load is spread over, each call to the next one; the default comes from the settings. More than one needs
    /// `--store postgres`.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) instances: Option<u32>,
}

#[derive(Args)]
pub(crate) struct UpArguments {
    /// Where the stack runs.
    #[arg(long, value_enum, default_value = "process")]
    pub(crate) backend: BackendChoice,
    /// Starts only this service and Redis; all four services and Redis if omitted.
    #[arg(long, value_enum)]
    pub(crate) only: Option<OnlyService>,
    /// File with the settings of the services, their ports and their key, such as `.env.mcp.local`. Ports and key are random if omitted.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Keeps watching in the background: rebuilds on every change and restarts only the services that changed.
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Args)]
pub(crate) struct DownArguments {
    /// Also removes the data and the logs.
    #[arg(long)]
    pub(crate) clean: bool,
}

#[derive(Args, Default)]
pub(crate) struct WatchArguments {
    /// Keeps watching in the background.
    #[arg(long)]
    pub(crate) background: bool,
    /// Stops the watch that runs in this folder.
    #[arg(long, conflicts_with = "background")]
    pub(crate) stop: bool,
    /// Builds with `make TARGET BINARIES=…` in place of `cargo build`.
    #[arg(long, value_name = "TARGET")]
    pub(crate) make: Option<String>,
    /// Command to run instead of restarting the services; it gets the names of the rebuilt services as arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) then: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnlyService {
    /// Memory and Redis.
    Memory,
}

#[derive(Args)]
pub(crate) struct LogsArguments {
    /// Part of the stack; all parts if omitted.
    pub(crate) part: Option<String>,
    /// Maximum number of lines of each part.
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) lines: usize,
}

#[derive(Args)]
pub(crate) struct FlowArguments {
    // `auto` takes the stack that `up` started, if there is one.
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    /// Makes each call as a web page of this origin would, and reports what a browser allows.
    #[arg(long, value_name = "URL", value_parser = parse_origin)]
    pub(crate) origin: Option<String>,
}
