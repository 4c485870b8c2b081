//! Why there is no workload.

use harness_core::plan::data_file::{Problem, nearest, problem_lines};
use std::fmt;

/// Why there is no workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileError {
    /// No workload has that name.
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The file cannot be read.
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// The profile or the overrides are wrong.
    Problems {
        /// Name of the profile.
        name: String,
        /// All of them, in the order of the file.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, known } => {
                write!(f, "there is no workload `{name}`\nhint: ")?;
                if let Some(near) = nearest(name, known.iter().copied()) {
                    write!(f, "did you mean `{near}`? ")?;
                }
                write!(
                    f,
                    "known workloads: `{}`; or give the path of a profile ending with `.toml`",
                    known.join("`, `")
                )
            }
            Self::Unreadable { file, why } => {
                write!(f, "cannot read the profile `{file}`: {why}\nhint: check the path")
            }
            Self::Problems { name, problems } => {
                write!(f, "the profile `{name}` cannot be used{}", problem_lines(problems))
            }
        }
    }
}

impl std::error::Error for ProfileError {}
