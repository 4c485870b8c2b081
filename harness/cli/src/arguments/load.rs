//! Arguments of `harness load`.

use super::record::{Delays, Lies, RecordArguments};
use super::values::{parse_duration, parse_limits};
use super::{BackendArguments, InstanceArguments, StoreArguments};
use clap::Args;
use harness_core::plan::topology::Limits;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Clone)]
pub(crate) struct LoadArguments {
    /// Name of a workload, or the path of a profile that ends with `.toml`.
    #[arg(required_unless_present = "target", conflicts_with = "target")]
    pub(crate) workload: Option<String>,
    #[command(flatten)]
    pub(crate) changes: Changes,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    /// CPU time and memory that each service may use, such as `0.25cpu,512mb`; by default the machine is the limit.
    #[arg(long, value_name = "CPU,MEMORY", value_parser = parse_limits, conflicts_with = "target")]
    pub(crate) limits: Option<Limits>,
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

/// Options for a server that is not part of this product.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Any MCP server")]
pub(crate) struct TargetArguments {
    /// URL of the server's MCP endpoint, such as `https://staging.example/mcp`.
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    /// A call to make, with its weight, such as `search {"q":"{{word}}"}:4`; repeatable. Without one, the tools of the server are listed.
    #[arg(long, requires = "target")]
    pub(crate) call: Vec<String>,
    /// Environment variable with the bearer token; replaces the tokens of a profile.
    #[arg(long, value_name = "NAME")]
    pub(crate) bearer_env: Option<String>,
    /// File with the bearer token, which is read again when it changes; replaces the tokens of a profile.
    #[arg(long, value_name = "PATH", conflicts_with = "bearer_env")]
    pub(crate) bearer_file: Option<PathBuf>,
    /// Environment variable with the token of another customer: half of the users send it, and isolation is judged.
    #[arg(long, value_name = "NAME")]
    pub(crate) other_bearer_env: Option<String>,
    /// PEM file with the authorities that the server's certificate is checked against; by default those of the system.
    #[arg(long, value_name = "PATH")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Host beyond this machine that the load may be sent to; repeatable.
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
}

/// Options that override the profile.
#[derive(Args, Clone, Default)]
pub(crate) struct Changes {
    /// Number of concurrent users.
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// Number of organisations that the users belong to.
    #[arg(long)]
    pub(crate) organisations: Option<u32>,
    /// Length of the measured phase, such as `30s`.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Load before the measured phase, such as `5s`.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) warmup: Option<Duration>,
    /// Pause of each user between two calls (closed model).
    #[arg(long, value_parser = parse_duration)]
    pub(crate) think_time: Option<Duration>,
    /// Arrivals per second in addition to the calls of the users (closed model); 0 for none.
    #[arg(long, conflicts_with_all = ["rate", "stages"])]
    pub(crate) arrivals: Option<f64>,
    /// Arrivals per second (open model).
    #[arg(long, conflicts_with_all = ["stages", "think_time"])]
    pub(crate) rate: Option<f64>,
    /// Arrival schedule (open model), such as `10s:100,20s:100-1000`.
    #[arg(long, conflicts_with = "think_time")]
    pub(crate) stages: Option<String>,
    /// Bound that decides the verdict, such as `p99<500ms`; replaces the profile's thresholds; repeatable.
    #[arg(long)]
    pub(crate) threshold: Vec<String>,
}
