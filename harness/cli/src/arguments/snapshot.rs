//! Arguments of `harness snapshot`.

use super::{BackendArguments, ServerArguments};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct SnapshotArguments {
    /// File to write, or a folder with one file for each service; stdout if omitted.
    #[arg(long, value_name = "PATH", conflicts_with = "check")]
    pub(crate) out: Option<PathBuf>,
    /// File or folder to compare with: exits with 1 and names every tool that was added, removed or changed.
    #[arg(long, value_name = "PATH")]
    pub(crate) check: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    #[command(flatten)]
    pub(crate) place: BackendArguments,
}
