//! What `runs`, `check` and `report` take.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `runs`.
#[derive(Args)]
pub(crate) struct RunsArguments {
    /// What is done.
    #[command(subcommand)]
    pub(crate) action: RunsAction,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER", global = true)]
    pub(crate) runs: PathBuf,
}

/// What is done with the runs.
#[derive(Subcommand)]
pub(crate) enum RunsAction {
    /// Lists them, the newest first, with what each says and whether it still is what was recorded.
    List,
    /// Opens the report of one; says where it is.
    Open {
        /// The run; the newest one where absent.
        run: Option<PathBuf>,
    },
    /// Removes all but the newest; what a harness works on and what owes the undoing of a fault stays.
    Prune {
        /// So many stay; the settings decide where absent.
        #[arg(long)]
        keep: Option<u32>,
        /// Says what would go, and removes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Arguments of `check`.
#[derive(Args)]
pub(crate) struct CheckArguments {
    /// The run to judge.
    #[command(flatten)]
    pub(crate) run: RunArguments,
    /// Lists the checks, with what each proves and what it cannot see, and judges no run.
    #[arg(long, conflicts_with = "run")]
    pub(crate) list: bool,
}

/// Arguments of `report`, and the run of `check`.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// The run, as `runs/<id>` or its name; the newest one if omitted.
    pub(crate) run: Option<PathBuf>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}
