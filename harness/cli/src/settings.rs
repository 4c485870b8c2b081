//! The settings of this call: what `harness.toml` says, with the names that this program knows.

use crate::exit::Failure;
use harness_core::drive::experiment::BUILT_IN;
use harness_core::plan::settings::{KnownNames, Settings};
use std::path::Path;

/// Reads them; every problem together.
pub(crate) fn load(file: Option<&Path>) -> Result<Settings, Failure> {
    let scenarios: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
    let experiments: Vec<&str> = BUILT_IN.iter().map(|(name, ..)| *name).collect();
    let known =
        KnownNames { scenarios: &scenarios, workloads: &loadtests::known_workloads(), experiments: &experiments };
    Settings::load(file, known).map_err(Failure::usage)
}
