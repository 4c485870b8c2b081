//! Arguments of `harness bench`.

use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Number of rounds, each on a stack of its own; the medians are reported.
    #[arg(long, default_value_t = 3, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// File with one JSON line for each run. This run is compared with the last five of the same kind of build and number of cores, and appended.
    #[arg(long, default_value = "runs/bench.jsonl", value_name = "FILE")]
    pub(crate) history: PathBuf,
    /// Neither compares this run with earlier ones nor records it.
    #[arg(long, conflicts_with_all = ["history", "fail_if_worse"])]
    pub(crate) no_history: bool,
    /// Exits with 1 if a row is worse than in the last runs by more than the noise.
    #[arg(long)]
    pub(crate) fail_if_worse: bool,
    /// Makes a few of each kind of call and checks their replies. Measures and records nothing.
    #[arg(long, conflicts_with_all = ["rounds", "history", "no_history", "fail_if_worse", "markdown"])]
    pub(crate) check: bool,
    /// Prints the table as the block of `docs/PERFORMANCE.md`.
    #[arg(long)]
    pub(crate) markdown: bool,
}
