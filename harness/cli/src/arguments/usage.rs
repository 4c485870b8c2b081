//! Arguments of `harness usage`.

use clap::Args;
use jiff::civil::Date;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct UsageArguments {
    /// Log files of the orchestrator, such as those in its `LOG_DIR`; `-` is the standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// First day (UTC), such as `2026-11-01`; the first day of the logs if omitted.
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<Date>,
    /// Last day (UTC); the last day of the logs if omitted.
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<Date>,
    /// Settings file with the prices; the default is `harness.toml` if it exists, else the built-in settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
}
