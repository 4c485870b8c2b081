//! Errors of profiles.

use harness_core::plan::data_file::{Problem, nearest, problem_lines};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileError {
    Unknown {
        name: String,
        known: Vec<&'static str>,
    },
    Unreadable {
        file: String,
        why: String,
    },
    Problems {
        name: String,
        /// The problems of the file, in the order of its lines, followed by those of the command line.
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
                    "known workloads: `{}`; or pass the path of a profile that ends with `.toml`",
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
