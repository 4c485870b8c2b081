//! The settings of a command, from `harness.toml`. The names in the file are compared with those that this program
//! knows.

use crate::exit::Failure;
use harness_core::drive::experiment::BUILT_IN;
use harness_core::judge::JudgeMemory;
use harness_core::plan::settings::{KnownNames, Settings};
use std::path::Path;

/// Reads the settings. Reports all problems together.
pub(crate) fn load(file: Option<&Path>) -> Result<Settings, Failure> {
    let scenarios: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
    let experiments: Vec<&str> = BUILT_IN.iter().map(|(name, ..)| *name).collect();
    let known =
        KnownNames { scenarios: &scenarios, workloads: &loadtests::known_workloads(), experiments: &experiments };
    Settings::load(file, known).map_err(Failure::usage)
}

/// Returns the memory that a judgement may take.
pub(crate) fn judge_memory() -> Result<JudgeMemory, Failure> {
    Ok(JudgeMemory::of_mib(load(None)?.judge.memory_mib))
}
