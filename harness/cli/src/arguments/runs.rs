//! Arguments of `harness runs`, `harness check`, `harness report` and `harness compare`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct RunsArguments {
    #[command(subcommand)]
    pub(crate) action: RunsAction,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER", global = true)]
    pub(crate) runs: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum RunsAction {
    /// Lists the runs, newest first, each with its verdict and whether its files are unchanged.
    List,
    /// Opens the report of a run in the browser and prints its path.
    Open {
        /// The run; the newest if omitted.
        run: Option<PathBuf>,
    },
    /// Removes old runs. Keeps the newest, any run in progress, and any run with faults still to undo.
    Prune {
        /// Number of runs to keep; the default comes from the settings.
        #[arg(long)]
        keep: Option<u32>,
        /// Lists what would be removed, without removing it.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) run: RunArguments,
    /// Lists the checks: what each proves and what it cannot see.
    #[arg(long, conflicts_with = "run")]
    pub(crate) list: bool,
}

#[derive(Args)]
pub(crate) struct RunArguments {
    /// The run, as a path or as its name; the newest if omitted.
    pub(crate) run: Option<PathBuf>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}

#[derive(Args)]
pub(crate) struct CompareArguments {
    /// The older run, as a path or as its name.
    pub(crate) before: PathBuf,
    /// The newer run; the newest of the folder if omitted.
    pub(crate) after: Option<PathBuf>,
    /// Folder of the runs.
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub(crate) runs: PathBuf,
}
