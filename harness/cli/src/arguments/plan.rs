//! Arguments of `harness plan`.

use super::{ChaosArguments, HardenArguments, LoadArguments, ScenarioArguments};
use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct PlanArguments {
    #[command(subcommand)]
    pub(crate) run: PlanSubcommand,
}

#[derive(Subcommand)]
pub(crate) enum PlanSubcommand {
    /// Prints the plan of `harness load`.
    Load(Box<LoadArguments>),
    /// Prints the plans of `harness scenario`.
    Scenario(ScenarioArguments),
    /// Prints the plan of `harness harden`.
    Harden(HardenArguments),
    /// Prints the plans of `harness chaos`.
    Chaos(ChaosArguments),
}
