//! Arguments of `harness chaos`.

use super::record::{Lies, RecordArguments};
use super::{BackendArguments, Ownership, StoreArguments, TargetArguments};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  harness chaos redis-outage\n  harness chaos guardrail-kill --seed 7\n  \
    harness chaos --list\n  harness chaos redis-outage --dry-run\n  harness chaos my/own.toml\n  harness chaos --on-trial\n  harness chaos recover\n  \
    harness chaos any-latency --target http://127.0.0.1:8000/mcp --call 'search {\"q\":\"{{word}}\"}'\n  \
    harness chaos any-reset --profile mine.toml"
)]
pub(crate) struct ChaosArguments {
    #[command(subcommand)]
    pub(crate) command: Option<ChaosCommand>,
    /// Experiments to run: names from the catalogue or from `--experiments`, or paths that end with `.toml`.
    #[arg(required_unless_present_any = ["all", "list", "on_trial"], conflicts_with_all = ["all", "list"])]
    pub(crate) names: Vec<String>,
    /// Runs every experiment, one after the other.
    #[arg(long, conflicts_with = "list")]
    pub(crate) all: bool,
    /// Lists the experiments.
    #[arg(long)]
    pub(crate) list: bool,
    /// Shows which faults would be injected where, without injecting them.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Runs each experiment against broken services. Its checks must catch every lie that the experiment names.
    #[arg(long)]
    pub(crate) on_trial: bool,
    /// Folder with experiments of your own; one with the name of a built-in experiment replaces it.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) experiments: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Profile of a load on any MCP server: the experiment disturbs its `[target]` and makes its calls.
    #[arg(
        long, value_name = "FILE", help_heading = "Any MCP server", conflicts_with_all = ["target", "url", "backend", "list", "on_trial"]
    )]
    pub(crate) profile: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ownership: Ownership,
    #[command(flatten)]
    pub(crate) lies: Lies,
    #[command(flatten)]
    pub(crate) record: RecordArguments,
}

#[derive(Subcommand)]
pub(crate) enum ChaosCommand {
    /// Undoes the faults of a harness that was killed, and stops the processes and containers of its stack. Does nothing if there are none.
    Recover {
        /// Folder of the runs.
        #[arg(long, default_value = "runs", value_name = "FOLDER")]
        runs: PathBuf,
    },
    /// Measures how accurately the fault proxy injects faults on this machine.
    SelfTest {
        /// Seed of every random choice; random if omitted.
        #[arg(long)]
        seed: Option<u64>,
    },
}
