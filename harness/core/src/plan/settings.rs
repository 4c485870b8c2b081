//! Settings of the harness: what `harness.toml` says, over the default that is built in and that `harness init` writes.

mod form;
mod reader;
#[cfg(test)]
mod tests;

pub use reader::Known;

use crate::plan::data_file::{Problem, listed};
use harness_history::Threshold;
use reader::Reader;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file.
pub const FILE: &str = "harness.toml";
/// The default, with a word on every key.
pub const DEFAULT: &str = include_str!("settings/default.toml");

/// What the harness is told for all its commands.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is kept of runs.
    pub runs: Runs,
    /// The profile of a gate where none is given.
    pub profile: ProfileName,
    ci: GateProfile,
    preprod: GateProfile,
}

/// What is kept of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// Runs that are kept; 0 keeps every run.
    pub keep: u32,
}

/// A profile of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// What every push waits for.
    Ci,
    /// What a release waits for.
    Preprod,
}

impl ProfileName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ci, Self::Preprod];

    /// The word in the file and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Preprod => "preprod",
        }
    }
}

/// The phases of a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct GateProfile {
    /// The first phase.
    pub scenarios: Scenarios,
    /// The second phase.
    pub load: Load,
    /// The third phase.
    pub experiments: Experiments,
}

/// Which of those that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// All of them.
    All,
    /// These.
    These(Vec<String>),
}

/// Scenarios and bounds on their calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenarios {
    /// Which.
    pub run: Names,
    /// Bounds on the calls of each.
    pub thresholds: Vec<Threshold>,
}

/// A load and bounds on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The workload; empty where there is none.
    pub run: String,
    /// Concurrent users.
    pub users: u32,
    /// Load before measuring starts.
    pub warmup: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// Bounds in place of the workload's own, as they are written on a command line.
    pub thresholds: Vec<String>,
}

/// Experiments and what is asked of them besides what they promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiments {
    /// Which.
    pub run: Names,
    /// Longest time until the stack is steady again.
    pub recovery: Duration,
}

/// Why there are no settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// It has problems.
    Problems(Vec<Problem>),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(
                f,
                "the settings `{}` cannot be read: {why}\nhint: `harness init` writes the default",
                path.display()
            ),
            Self::Problems(problems) => write!(f, "the settings cannot be used:{}", listed(problems)),
        }
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// The settings of a file; without one those of [`FILE`] in the current folder, if it is there, else the default.
    ///
    /// # Errors
    /// The file cannot be read, or every problem that it has.
    pub fn load(file: Option<&Path>, known: Known<'_>) -> Result<Self, SettingsError> {
        let path = match file {
            Some(path) => path,
            None if Path::new(FILE).exists() => Path::new(FILE),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
        Self::read(&path.display().to_string(), &text, known)
    }

    /// The settings of a text; `file` is only for messages.
    ///
    /// # Errors
    /// Every problem that it has.
    pub fn read(file: &str, text: &str, known: Known<'_>) -> Result<Self, SettingsError> {
        Reader::new(file, text, known).settings(&Self::default()).map_err(SettingsError::Problems)
    }

    /// The phases of a profile.
    pub const fn gate(&self, profile: ProfileName) -> &GateProfile {
        match profile {
            ProfileName::Ci => &self.ci,
            ProfileName::Preprod => &self.preprod,
        }
    }

    const fn gate_mut(&mut self, profile: ProfileName) -> &mut GateProfile {
        match profile {
            ProfileName::Ci => &mut self.ci,
            ProfileName::Preprod => &mut self.preprod,
        }
    }

    /// Nothing at all, over which the default is read.
    fn blank() -> Self {
        let none = || Names::These(Vec::new());
        let profile = GateProfile {
            scenarios: Scenarios { run: none(), thresholds: Vec::new() },
            load: Load {
                run: String::new(),
                users: 1,
                warmup: Duration::ZERO,
                duration: Duration::ZERO,
                thresholds: Vec::new(),
            },
            experiments: Experiments { run: none(), recovery: Duration::ZERO },
        };
        Self { runs: Runs { keep: 0 }, profile: ProfileName::Ci, ci: profile.clone(), preprod: profile }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let known = Known {
            scenarios: &[],
            workloads: &["memory"],
            experiments: &["redis-outage", "guardrail-kill", "memory-kill"],
        };
        let read = Reader::new(FILE, DEFAULT, known).settings(&Self::blank());
        read.expect("the default that is built in has no problem, which a test holds")
    }
}

/// The schema of [`FILE`] (JSON Schema 2020-12).
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(form::File).to_value()
}
