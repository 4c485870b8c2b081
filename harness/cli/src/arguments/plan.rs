//! What `plan` takes.

use super::{ChaosArguments, LoadArguments, ScenarioArguments};
use clap::{Args, Subcommand};

/// Arguments of `plan`.
#[derive(Args)]
pub(crate) struct PlanArguments {
    /// The run.
    #[command(subcommand)]
    pub(crate) run: Planned,
}

/// What can be planned.
#[derive(Subcommand)]
pub(crate) enum Planned {
    /// The plan of `harness load`.
    Load(LoadArguments),
    /// The plans of `harness scenario`.
    Scenario(ScenarioArguments),
    /// The plans of `harness chaos`.
    Chaos(ChaosArguments),
}
