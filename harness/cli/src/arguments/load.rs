//! What `load` takes.

use super::BackendArguments;
use super::values::{parse_duration, parse_lie, parse_slow};
use clap::Args;
use mcp_contracts::Service;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `load`.
#[derive(Args, Clone)]
pub(crate) struct LoadArguments {
    /// Name of a workload, or a profile of your own (`….toml`).
    pub(crate) workload: String,
    /// Changes of the profile.
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// Where the stack runs.
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    /// Puts the broken service before a service, with one of its lies, to see the load fail; repeatable.
    #[arg(long, value_name = "SERVICE=LIE", value_parser = parse_lie)]
    pub(crate) lie: Vec<(Service, String)>,
    /// Puts the fault proxy before a service and makes every call so much longer; repeatable.
    #[arg(long, value_name = "SERVICE=TIME", value_parser = parse_slow)]
    pub(crate) slow: Vec<(Service, Duration)>,
    /// Decides every random choice; drawn and printed where absent.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}

/// Changes of a profile.
#[derive(Args, Clone, Default)]
pub(crate) struct Changes {
    /// Concurrent users.
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// Organisations that the users are spread over.
    #[arg(long)]
    pub(crate) organisations: Option<u32>,
    /// How long is measured, such as `30s`.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Load before measuring starts.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) warmup: Option<Duration>,
    /// Pause of a user between two calls (closed model).
    #[arg(long, value_parser = parse_duration)]
    pub(crate) think_time: Option<Duration>,
    /// Arrivals per second (open model).
    #[arg(long, conflicts_with_all = ["stages", "think_time"])]
    pub(crate) rate: Option<f64>,
    /// Arrival schedule (open model), such as `10s:100,20s:100-1000`.
    #[arg(long, conflicts_with = "think_time")]
    pub(crate) stages: Option<String>,
    /// A bound that decides the verdict, such as `p99<500ms`, in place of the profile's; repeatable.
    #[arg(long)]
    pub(crate) threshold: Vec<String>,
}
