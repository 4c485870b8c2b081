//! What a gate did: phases, the runs of each in their order, and what kept a run from being one. From this and the runs themselves its
//! report is made, now or later.

use crate::plan::run_dir;
use crate::plan::seal::write_whole;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// `gate.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRecord {
    /// Name of its directory.
    pub run_id: String,
    /// The exact command to repeat it.
    pub command: String,
    /// Seed of all its runs.
    pub seed: u64,
    /// Its profile.
    pub profile: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// True where somebody stopped it.
    pub interrupted: bool,
    /// Its phases, in their order.
    pub phases: Vec<PhaseRecord>,
}

/// A phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// What it consists of.
    pub kind: PhaseKind,
    /// Its runs, in their order.
    pub runs: Vec<RunRecord>,
}

/// What a phase consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseKind {
    /// Scenarios.
    Scenarios,
    /// A load.
    Load,
    /// Experiments.
    Experiments,
}

impl PhaseKind {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scenarios => "scenarios",
            Self::Load => "load",
            Self::Experiments => "experiments",
        }
    }

    /// One of its runs, for people and for test viewers.
    pub const fn one(self) -> &'static str {
        match self {
            Self::Scenarios => "scenario",
            Self::Load => "load",
            Self::Experiments => "experiment",
        }
    }
}

/// A run of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the scenario, the workload or the experiment.
    pub name: String,
    /// What it shows, in one sentence.
    pub about: String,
    /// How long it took, its stack included, in milliseconds.
    pub took_ms: u64,
    /// What came of it.
    pub end: RunEnd,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// It has a directory of this name, in which everything is.
    Recorded(String),
    /// There is nothing to judge.
    Failed {
        /// The exit code that it alone would have had.
        exit: u8,
        /// Why.
        why: String,
    },
    /// It never began.
    NotRun {
        /// Why not.
        why: String,
    },
}

impl GateRecord {
    /// A name for the directory of a gate that begins now.
    pub fn fresh_id(profile: &str) -> String {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
        let nonce: u16 = rand::random();
        format!("{now}-gate-{profile}-{nonce:04x}")
    }

    /// Writes it into the directory of the gate.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        write_whole(&dir.join(run_dir::GATE), &serde_json::to_vec_pretty(self)?)
    }

    /// Reads it from the directory of a gate.
    ///
    /// # Errors
    /// It is not there, or it is none.
    pub fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(dir.join(run_dir::GATE))?)?)
    }
}

/// The folder of the runs of a gate.
pub fn runs(dir: &Path) -> PathBuf {
    dir.join(run_dir::RUNS)
}
