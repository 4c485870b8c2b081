//! The record of a gate: its phases, their runs in order, and the reason if a run did not start. The report of the gate
//! is derived from this record and from the runs, at once or later.

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
    /// The seed, which all of its runs share.
    pub seed: u64,
    pub profile: String,
    /// Start time (RFC 3339, UTC).
    pub started_at: String,
    pub took_ms: u64,
    pub interrupted: bool,
    pub phases: Vec<PhaseRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    pub kind: PhaseKind,
    pub runs: Vec<RunRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhaseKind {
    Snapshot,
    Scenarios,
    Load,
    Experiments,
    Hardening,
}

impl PhaseKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Scenarios => "scenarios",
            Self::Load => "load",
            Self::Experiments => "experiments",
            Self::Hardening => "hardening",
        }
    }

    /// Returns the word for one of its runs, such as `scenario`.
    pub const fn one(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Scenarios => "scenario",
            Self::Load => "load",
            Self::Experiments => "experiment",
            Self::Hardening => "hardening",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the scenario, the workload or the experiment.
    pub name: String,
    /// What it shows, in one sentence.
    pub about: String,
    /// Duration including its stack, in milliseconds.
    pub took_ms: u64,
    pub end: RunEnd,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// It was recorded in the directory of this name.
    Recorded(String),
    /// The tools of a server were compared with a file: what differs, one line each.
    Compared(Vec<String>),
    /// It failed before anything could be judged.
    Failed {
        exit: u8,
        why: String,
    },
    NotRun {
        why: String,
    },
}

impl GateRecord {
    /// Returns a directory name for a gate that starts now.
    pub fn fresh_id(profile: &str) -> String {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
        let nonce: u16 = rand::random();
        format!("{now}-gate-{profile}-{nonce:04x}")
    }

    /// Writes the record into the directory of the gate.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        write_whole(&dir.join(run_dir::GATE), &serde_json::to_vec_pretty(self)?)
    }

    /// Reads the record from the directory of a gate.
    ///
    /// # Errors
    /// The file is missing or is not the record of a gate.
    pub fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(dir.join(run_dir::GATE))?)?)
    }
}

/// Returns the folder of the runs of a gate.
pub fn runs(dir: &Path) -> PathBuf {
    dir.join(run_dir::RUNS)
}
