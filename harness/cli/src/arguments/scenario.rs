//! What `scenario` takes.

use super::BackendArguments;
use super::values::{parse_lie, parse_slow};
use clap::Args;
use mcp_contracts::Service;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `scenario`.
#[derive(Args, Clone)]
pub(crate) struct ScenarioArguments {
    /// Names of scenarios.
    #[arg(value_name = "NAME", required_unless_present_any = ["all", "list"], conflicts_with_all = ["all", "list"])]
    pub(crate) names: Vec<String>,
    /// Plays every scenario that can be played there.
    #[arg(long, conflicts_with = "list")]
    pub(crate) all: bool,
    /// Names the scenarios and plays none.
    #[arg(long)]
    pub(crate) list: bool,
    /// Where the stack runs.
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    /// Puts the broken service before a service, with one of its lies, to see the scenario fail; repeatable.
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
