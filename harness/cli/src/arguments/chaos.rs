//! Arguments of `chaos`.

use super::BackendArguments;
use super::values::parse_lie;
use clap::{Args, Subcommand};
use mcp_contracts::Service;
use std::path::PathBuf;

/// Arguments of `chaos`.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  harness chaos redis-outage\n  harness chaos guardrail-kill --seed 7\n  \
    harness chaos --list\n  harness chaos redis-outage --dry-run\n  harness chaos my/own.toml\n  harness chaos --on-trial\n  harness chaos recover"
)]
pub(crate) struct ChaosArguments {
    /// What else than running experiments.
    #[command(subcommand)]
    pub(crate) command: Option<ChaosCommand>,
    /// The experiments: names of the catalogue or of `--experiments`, or files ending with `.toml`.
    #[arg(required_unless_present_any = ["all", "list", "on_trial"], conflicts_with_all = ["all", "list"])]
    pub(crate) names: Vec<String>,
    /// Runs all of them, one after the other.
    #[arg(long, conflicts_with = "list")]
    pub(crate) all: bool,
    /// Lists them and runs nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Says what would be done to what, and does nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Runs each experiment against the lies that it is named for: each must be caught.
    #[arg(long)]
    pub(crate) on_trial: bool,
    /// A folder of experiments of your own; the same name replaces one of the catalogue.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) experiments: Option<PathBuf>,
    /// Where the stack runs.
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    /// Puts a broken service before a service, to see an experiment fail.
    #[arg(long, value_name = "SERVICE=LIE", value_parser = parse_lie)]
    pub(crate) lie: Vec<(Service, String)>,
    /// Decides every random choice; drawn where absent.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder of run directories.
    #[arg(long, default_value = "runs")]
    pub(crate) runs: PathBuf,
}

/// What `chaos` does besides running experiments.
#[derive(Subcommand)]
pub(crate) enum ChaosCommand {
    /// Undoes what a harness that died left behind; does no harm where nothing is left.
    Recover {
        /// Folder of run directories.
        #[arg(long, default_value = "runs")]
        runs: PathBuf,
    },
    /// Measures on this machine how faithful the faults of the proxy are.
    SelfTest {
        /// Decides every random choice; drawn where absent.
        #[arg(long)]
        seed: Option<u64>,
    },
}
