//! Arguments of `harness scenario`.

use super::record::{Delays, Lies, RecordArguments};
use super::{BackendArguments, StoreArguments};
use clap::Args;

#[derive(Args, Clone)]
pub(crate) struct ScenarioArguments {
    /// Scenarios to run.
    #[arg(value_name = "NAME", required_unless_present_any = ["all", "list"], conflicts_with_all = ["all", "list"])]
    pub(crate) names: Vec<String>,
    /// Runs every scenario that this backend supports.
    #[arg(long, conflicts_with = "list")]
    pub(crate) all: bool,
    /// Lists the scenarios.
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) lies: Lies,
    #[command(flatten)]
    pub(crate) delays: Delays,
    #[command(flatten)]
    pub(crate) record: RecordArguments,
}
